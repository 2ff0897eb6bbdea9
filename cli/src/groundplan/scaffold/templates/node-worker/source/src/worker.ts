import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Broker } from './broker.ts';
import { Consumer } from './consumer.ts';
import type { Handler } from './handler.ts';
import { serveHealth } from './health.ts';
import type { Logger } from './logger.ts';
import type { Settings } from './settings.ts';

/** With a grace of 5 s, all of it takes less than 8 s even where the broker does not answer. */
const CLOSE_MS = 500;

export interface Worker {
  /** Where the health endpoints listen. */
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts a worker. The broker may be away, now and later. */
export async function startWorker(
  settings: Settings,
  handle: Handler,
  logger: Logger,
): Promise<Worker> {
  const consumer = new Consumer(settings, handle, logger);
  const broker = new Broker(settings, consumer.deliver, logger);
  const health = await serveHealth(settings.host, settings.port, () => broker.isConsuming);
  await broker.start();
  return {
    port: (health.address() as AddressInfo).port,
    async stop() {
      await Promise.race([broker.stopConsuming(), pause(CLOSE_MS)]);
      await Promise.race([consumer.idle(), pause(settings.graceSeconds * 1000)]);
      consumer.abort();
      await Promise.race([consumer.idle(), pause(CLOSE_MS)]);
      health.close();
      health.closeAllConnections();
      // While it connects anew its end is never told: only this timer keeps the process until then.
      await Promise.race([broker.close(), sleep(CLOSE_MS)]);
    },
  };
}

async function pause(ms: number): Promise<void> {
  await sleep(ms, undefined, { ref: false });
}
