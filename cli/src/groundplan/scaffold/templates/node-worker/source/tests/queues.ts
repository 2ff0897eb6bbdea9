import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { declareQueues } from '../src/broker.ts';
import type { Handler } from '../src/handler.ts';
import { createLogger } from '../src/logger.ts';
import { readSettings, type Settings } from '../src/settings.ts';
import { startWorker, type Worker } from '../src/worker.ts';

/** Repeats `read` until it gives a value, and returns that; fails after 15 seconds. */
export async function eventually<T>(
  what: string,
  read: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const value = await read();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`Waited in vain: ${what}`);
    await sleep(20);
  }
}

/** Queues of a test's own on the real broker of the environment, and the workers on them. */
export class Queues {
  readonly settings: Settings;
  readonly #connection: ChannelModel;
  readonly #channel: ConfirmChannel;
  readonly #workers: Worker[] = [];

  private constructor(settings: Settings, connection: ChannelModel, channel: ConfirmChannel) {
    this.settings = settings;
    this.#connection = connection;
    this.#channel = channel;
  }

  static async create(): Promise<Queues> {
    const settings = {
      ...readSettings({ ...process.env, PORT: '0' }),
      host: '127.0.0.1',
      queue: `test-${randomUUID()}`,
      attempts: 3,
      retrySeconds: 0.2,
      graceSeconds: 0.5,
    };
    const { host, port, user, password } = settings.rabbitmq;
    const connection = await connect({ hostname: host, port, username: user, password });
    const channel = await connection.createConfirmChannel();
    await declareQueues(channel, settings.queue);
    return new Queues(settings, connection, channel);
  }

  async start(handle: Handler, settings: Partial<Settings> = {}): Promise<Worker> {
    const logger = createLogger('silent');
    const worker = await startWorker({ ...this.settings, ...settings }, handle, logger);
    this.#workers.push(worker);
    return worker;
  }

  async stopWorkers(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker.stop()));
  }

  async remove(): Promise<void> {
    await this.stopWorkers();
    for (const suffix of ['', '.retry', '.dead']) {
      await this.#channel.deleteQueue(this.settings.queue + suffix);
    }
    await this.#connection.close();
  }

  async publish(body: unknown): Promise<void> {
    const content = typeof body === 'string' ? body : JSON.stringify(body);
    this.#channel.sendToQueue(this.settings.queue, Buffer.from(content), { persistent: true });
    await this.#channel.waitForConfirms();
  }

  async deleteQueue(): Promise<void> {
    await this.#channel.deleteQueue(this.settings.queue);
  }

  /** Waits for a dead letter and takes it. */
  async deadLetter(): Promise<string> {
    return eventually('a dead letter', async () => {
      const message = await this.#channel.get(`${this.settings.queue}.dead`, { noAck: true });
      return message && message.content.toString();
    });
  }
}
