import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { eventually } from './poll.ts';

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code: number; readonly message?: string };
  readonly attributes: readonly { key: string; value: Record<string, unknown> }[];
}

interface Request {
  resourceSpans: { resource: Pick<Span, 'attributes'>; scopeSpans: { spans: Span[] }[] }[];
}

/** An OTLP/HTTP receiver that keeps what it gets. */
export class OtlpSink {
  readonly #server: Server;
  /** Bodies as they came. */
  readonly bodies: string[] = [];

  /** @param answer what it says: an answer of its own, garbage, or nothing at all */
  constructor(answer: { status: number; body: string } | 'silence' = { status: 200, body: '{}' }) {
    this.#server = createServer((request, response) => {
      void text(request).then((body) => {
        if (request.url === '/v1/traces') this.bodies.push(body);
        if (answer !== 'silence') response.writeHead(answer.status).end(answer.body);
      });
    });
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get spans(): Span[] {
    return this.#requests().flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
  }

  get services(): unknown[] {
    return this.#requests().map(({ resource }) => valueOf(resource, 'service.name'));
  }

  /** The spans of a trace by their start, once it has one of this name. */
  async trace(traceId: string, lastName: string): Promise<Span[]> {
    return eventually(`a span ${lastName}`, () => {
      const spans = this.spans.filter((span) => span.traceId === traceId);
      return spans.some(({ name }) => name === lastName) && spans.sort(byStart);
    });
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #requests() {
    return this.bodies.flatMap((body) => (JSON.parse(body) as Request).resourceSpans);
  }
}

export function valueOf({ attributes }: Pick<Span, 'attributes'>, name: string): unknown {
  const found = attributes.find(({ key }) => key === name);
  return found && Object.values(found.value)[0];
}

function byStart(a: Span, b: Span): number {
  return Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano));
}
