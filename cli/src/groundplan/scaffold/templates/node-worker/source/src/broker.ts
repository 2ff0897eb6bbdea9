import {
  connect,
  type ChannelModel,
  type ConfirmChannel,
  type ConsumeMessage,
  type RecoveringChannelModel,
} from 'amqplib';
import type { Logger } from './logger.ts';
import type { Settings } from './settings.ts';

export type Deliver = (message: ConsumeMessage, channel: ConfirmChannel) => void;

const CONSUMER_TAG = 'service-name';
const QUICK_ATTEMPTS = 80;
const QUICK_MS = 250;
const MAX_MS = 5000;

/** The connection to RabbitMQ. It comes back by itself, for ever, after any loss. */
export class Broker {
  readonly #settings: Settings;
  readonly #deliver: Deliver;
  readonly #logger: Logger;
  #connection: RecoveringChannelModel | undefined;
  #channel: ConfirmChannel | undefined;

  constructor(settings: Settings, deliver: Deliver, logger: Logger) {
    this.#settings = settings;
    this.#deliver = deliver;
    this.#logger = logger;
  }

  /** Whether messages can arrive. */
  get isConsuming(): boolean {
    return this.#channel !== undefined;
  }

  /** Starts to connect and returns at once, whether the broker is there or not. */
  async start(): Promise<void> {
    const { host, port, user, password } = this.#settings.rabbitmq;
    this.#connection = await connect(
      { hostname: host, port, username: user, password, heartbeat: 5 },
      {
        timeout: 5000,
        clientProperties: { connection_name: CONSUMER_TAG },
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

  /** No further message arrives; those at work can still be acked. */
  async stopConsuming(): Promise<void> {
    const channel = this.#channel;
    this.#channel = undefined;
    await channel?.cancel(CONSUMER_TAG).catch(this.#onError);
  }

  /** The broker delivers what was not acked again. */
  async close(): Promise<void> {
    await this.#connection?.close();
  }

  async #consume(model: ChannelModel): Promise<void> {
    const { queue, concurrency } = this.#settings;
    const reconnect = (): void => void model.close().catch(() => undefined);
    model.on('error', this.#onError);
    const channel = await model.createConfirmChannel();
    channel.on('error', this.#onError);
    channel.on('close', () => {
      if (this.#channel === channel) this.#channel = undefined;
      reconnect();
    });
    await declareQueues(channel, queue);
    await channel.prefetch(concurrency);
    await channel.consume(
      queue,
      // Null says that the queue was deleted: a new connection declares it again.
      (message) => {
        if (message) this.#deliver(message, channel);
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

/**
 * Declares `name`, `name`.dead for what is given up, and `name`.retry, whose messages go back to
 * `name` once their time is over. Who publishes to `name` may declare it, too: in the same way.
 */
export async function declareQueues(channel: ConfirmChannel, name: string): Promise<void> {
  const dead = `${name}.dead`;
  await channel.assertQueue(dead, { arguments: { 'x-queue-type': 'quorum' } });
  await channel.assertQueue(name, {
    arguments: { ...deadLetterTo(dead), 'x-delivery-limit': 20 },
  });
  await channel.assertQueue(`${name}.retry`, { arguments: deadLetterTo(name) });
}

function deadLetterTo(queue: string): Record<string, string> {
  return {
    'x-queue-type': 'quorum',
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': queue,
    'x-dead-letter-strategy': 'at-least-once',
    'x-overflow': 'reject-publish',
  };
}

/** Quick for 20 s, since the broker may be starting beside the worker; then less and less often. */
function reconnectDelay(attempt: number): number {
  const late = Math.max(0, attempt - QUICK_ATTEMPTS);
  const delay = Math.min(MAX_MS, QUICK_MS * 2 ** late);
  return delay * (0.8 + 0.4 * Math.random());
}
