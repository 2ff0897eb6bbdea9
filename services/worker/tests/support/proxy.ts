import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Between two pieces of up to 64 KiB. */
const SLOW_MS = 50;

/** Stands between the worker and a server, and can cut or hold what flows through. */
export class Proxy {
  readonly #host: string;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => {
    this.#accept(socket);
  });
  #state: 'open' | 'slow' | 'held' | 'cut' = 'open';
  port = 0;
  /** Bytes from the worker to the server so far. */
  sent = 0;
  /** `hold` by itself once so many bytes were sent. */
  holdAfter = Infinity;

  /** @param address host:port of the server */
  constructor(address: string) {
    const [host = '', port] = address.split(':');
    this.#host = host;
    this.#port = Number(port);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  /** Breaks all connections and refuses new ones. */
  cut(): void {
    this.#state = 'cut';
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Breaks all connections once; new ones are welcome. */
  drop(): void {
    this.cut();
    this.#state = 'open';
  }

  /** Keeps connections open, but lets nothing through, as a frozen server does. */
  hold(): void {
    this.#state = 'held';
    for (const socket of this.#sockets) socket.pause();
  }

  /** Lets about 1 MB/s through on each connection. */
  slow(): void {
    this.#state = 'slow';
  }

  open(): void {
    this.#state = 'open';
    this.holdAfter = Infinity;
    for (const socket of this.#sockets) socket.resume();
  }

  stop(): void {
    this.cut();
    this.#server.close();
  }

  #accept(socket: Socket): void {
    if (this.#state === 'cut') {
      socket.destroy();
      return;
    }
    const upstream = connect(this.#port, this.#host);
    this.#join(socket, upstream);
    this.#join(upstream, socket);
    if (this.#state === 'held') this.hold();
    socket.on('data', (chunk: Buffer) => {
      this.sent += chunk.length;
      if (this.sent > this.holdAfter) this.hold();
    });
  }

  #resume(socket: Socket): void {
    if (this.#state !== 'held') socket.resume();
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('data', (chunk: Buffer) => {
      const full = !to.write(chunk);
      if (full || this.#state === 'slow') from.pause();
      if (!full && this.#state === 'slow')
        setTimeout(() => {
          this.#resume(from);
        }, SLOW_MS);
    });
    to.on('drain', () => {
      this.#resume(from);
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
