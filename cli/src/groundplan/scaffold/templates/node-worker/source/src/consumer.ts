import type { ConfirmChannel, ConsumeMessage } from 'amqplib';
import type { Handler } from './handler.ts';
import type { Logger } from './logger.ts';
import { parseMessage } from './message.ts';
import type { Settings } from './settings.ts';

/*
 * Every outcome of a message.
 *
 * | what happened                            | the message                                     |
 * | ---------------------------------------- | ----------------------------------------------- |
 * | the handler resolved                     | ack                                             |
 * | it is not valid                          | reject: to the dead letters                     |
 * | the handler failed, attempts are left    | a copy waits in the retry queue, then ack       |
 * | the last attempt failed                  | reject: to the dead letters                     |
 * | the worker stops before the handler ends | nothing: the broker delivers it again           |
 * | connection lost, or the worker dies      | nothing: the broker delivers it again, at most  |
 * |                                          | 20 times; then it goes to the dead letters      |
 */

/** Hands messages to the handler, and settles them. */
export class Consumer {
  readonly #settings: Settings;
  readonly #handle: Handler;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(settings: Settings, handle: Handler, logger: Logger) {
    this.#settings = settings;
    this.#handle = handle;
    this.#logger = logger;
  }

  readonly deliver = (message: ConsumeMessage, channel: ConfirmChannel): void => {
    const run = this.#run(message, channel).catch((error: unknown) => {
      // The connection was lost meanwhile, or the copy could not be stored.
      this.#logger.warn({ err: error }, 'message.delivered_again');
    });
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
  };

  /** Resolves when no handler runs. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Tells the handlers to end. */
  abort(): void {
    this.#stopping.abort();
  }

  async #run(message: ConsumeMessage, channel: ConfirmChannel): Promise<void> {
    const attempt = Number(message.properties.headers?.['x-attempt'] ?? 1);
    const logger = this.#logger.child({ attempt });
    let parsed;
    try {
      parsed = parseMessage(message.content);
    } catch (error) {
      logger.error({ err: error }, 'message.rejected');
      channel.reject(message, false);
      return;
    }
    try {
      await this.#handle(parsed, { attempt, signal: this.#stopping.signal, logger });
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      logger.error({ err: error }, 'message.failed');
      if (attempt >= this.#settings.attempts) channel.reject(message, false);
      else await this.#retry(message, channel, attempt + 1);
      return;
    }
    channel.ack(message);
    logger.info('message.done');
  }

  /** Acks once the broker has the copy safe: a crash in between doubles the message, never loses it. */
  async #retry(message: ConsumeMessage, channel: ConfirmChannel, attempt: number): Promise<void> {
    const { queue, retrySeconds } = this.#settings;
    channel.sendToQueue(`${queue}.retry`, message.content, {
      ...message.properties,
      headers: { ...message.properties.headers, 'x-attempt': attempt },
      expiration: retrySeconds * 1000,
      persistent: true,
    });
    await channel.waitForConfirms();
    channel.ack(message);
  }
}
