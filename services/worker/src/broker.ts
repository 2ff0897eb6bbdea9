import { connect, type Channel, type ChannelModel, type RecoveringChannelModel } from 'amqplib';
import { Delivery } from './delivery.ts';
import type { Logger } from './logger.ts';
import type { Settings } from './settings.ts';
import { declareTopology } from './topology.ts';

/** What a handler does not settle is delivered again once the connection ends. Never rejects. */
export type MessageHandler = (delivery: Delivery) => Promise<void>;

const CONSUMER_TAG = 'worker';
/** Two or three that are missed end the connection: a new one is there within 20 s. */
const HEARTBEAT_S = 5;
const QUICK_ATTEMPTS = 80;
const QUICK_MS = 250;
const MAX_MS = 5000;

/** The consuming connection. It comes back by itself, for ever, after any loss. */
export class Broker {
  readonly #settings: Settings;
  readonly #logger: Logger;
  readonly #handle: MessageHandler;
  #connection: RecoveringChannelModel | undefined;
  #channel: Channel | undefined;

  constructor(settings: Settings, handle: MessageHandler, logger: Logger) {
    this.#settings = settings;
    this.#handle = handle;
    this.#logger = logger;
  }

  /** @throws unless messages can arrive. */
  check(): Promise<void> {
    return this.#channel ? Promise.resolve() : Promise.reject(new Error('not connected'));
  }

  /** Starts to connect and returns at once, whether the broker is there or not. */
  async start(): Promise<void> {
    const { host, port, user, password } = this.#settings.rabbitmq;
    this.#connection = await connect(
      { hostname: host, port, username: user, password, heartbeat: HEARTBEAT_S },
      {
        timeout: 5000,
        noDelay: true,
        clientProperties: { connection_name: 'groundplan-worker' },
        recovery: {
          waitForConnect: false,
          calculateDelay: reconnectDelay,
          setup: (model: ChannelModel) => this.#consume(model),
        },
      },
    );
    this.#connection.on('error', this.#onError);
    this.#connection.on('reconnect-scheduled', ({ attempt, error }) => {
      if (attempt === 1) this.#logger.warn({ err: error }, 'broker.away');
    });
  }

  /** No further message arrives; those that run can still be acked. */
  async stopConsuming(): Promise<void> {
    const channel = this.#channel;
    this.#channel = undefined;
    await channel?.cancel(CONSUMER_TAG).catch(this.#onError);
  }

  /** The broker delivers what was not acked again, to any worker. */
  async close(): Promise<void> {
    await this.#connection?.close();
  }

  async #consume(model: ChannelModel): Promise<void> {
    const { rabbitmq } = this.#settings;
    const reconnect = (): void => void model.close().catch(() => undefined);
    model.on('error', this.#onError);
    const channel = await model.createChannel();
    channel.on('error', this.#onError);
    channel.on('close', () => {
      if (this.#channel === channel) this.#channel = undefined;
      reconnect();
    });
    await declareTopology(channel, rabbitmq.queue);
    await channel.prefetch(this.#settings.concurrency);
    await channel.consume(
      rabbitmq.queue,
      // Null says that the queue was deleted: a new connection declares it again.
      (message) => {
        if (message) void this.#handle(new Delivery(channel, message, rabbitmq, this.#logger));
        else reconnect();
      },
      { consumerTag: CONSUMER_TAG },
    );
    this.#channel = channel;
    this.#logger.info('broker.consuming');
  }

  readonly #onError = (error: unknown): void => {
    this.#logger.warn({ err: error }, 'broker.error');
  };
}

/** Quick for 20 s, since the broker may be starting beside the worker; then less and less often. */
function reconnectDelay(attempt: number): number {
  const late = Math.max(0, attempt - QUICK_ATTEMPTS);
  const delay = Math.min(MAX_MS, QUICK_MS * 2 ** late);
  return delay * (0.8 + 0.4 * Math.random());
}
