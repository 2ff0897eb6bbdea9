import type { Channel, ConsumeMessage } from 'amqplib';
import type { Logger } from './logger.ts';
import type { Settings } from './settings.ts';
import { startCall, traceMessage } from './tracing.ts';

/** One message, as long as the broker waits to hear what became of it. */
export class Delivery {
  readonly #channel: Channel;
  readonly #message: ConsumeMessage;
  readonly #rabbitmq: Settings['rabbitmq'];
  readonly #logger: Logger;
  readonly #arrivedAt = Date.now();
  #settled = false;

  constructor(
    channel: Channel,
    message: ConsumeMessage,
    rabbitmq: Settings['rabbitmq'],
    logger: Logger,
  ) {
    this.#channel = channel;
    this.#message = message;
    this.#rabbitmq = rabbitmq;
    this.#logger = logger;
  }

  get text(): string {
    return this.#message.content.toString();
  }

  get headers(): Record<string, unknown> {
    return this.#message.properties.headers ?? {};
  }

  /** Whether a worker had it before, and ended or lost its connection. */
  get redelivered(): boolean {
    return this.#message.fields.redelivered;
  }

  /** Does `work` in the span of this message, which continues the trace in `headers`. */
  async trace(headers: Record<string, unknown>, work: () => Promise<void>): Promise<void> {
    const { name, attributes } = this.#operation('process', 'process');
    await traceMessage(name, attributes, headers, this.#arrivedAt, async () => {
      this.#call('receive', 'receive', () => undefined);
      await work();
    });
  }

  /** Done with. A second ack says nothing. */
  ack(): void {
    this.#settle('ack', () => {
      this.#channel.ack(this.#message);
    });
  }

  /** To the dead letters. */
  reject(): void {
    this.#settle('reject', () => {
      this.#channel.reject(this.#message, false);
    });
  }

  #settle(verb: string, call: () => void): void {
    if (this.#settled) return;
    this.#settled = true;
    try {
      this.#call(verb, 'settle', call);
    } catch (error) {
      // The connection was lost meanwhile; the redelivered message wakes a worker in vain.
      this.#logger.info({ err: error }, 'message.redelivered_later');
    }
  }

  /** Does something at the broker in a span; a message that was pushed has arrived by then. */
  #call(verb: string, type: string, call: () => void): void {
    const { name, attributes } = this.#operation(verb, type);
    const end = startCall(name, attributes);
    try {
      call();
      end();
    } catch (error) {
      end(error);
      throw error;
    }
  }

  #operation(verb: string, type: string) {
    const { host, port, queue } = this.#rabbitmq;
    const attributes = {
      'messaging.system': 'rabbitmq',
      'messaging.operation.type': type,
      'messaging.operation.name': verb,
      'messaging.destination.name': queue,
      'server.address': host,
      'server.port': port,
    };
    return { name: `${verb} ${queue}`, attributes };
  }
}
