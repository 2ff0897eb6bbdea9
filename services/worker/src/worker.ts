import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Broker } from './broker.ts';
import { Consumer } from './consumer.ts';
import type { JobMessage } from './contracts/job-message.ts';
import { Database } from './database.ts';
import { Stopping } from './errors.ts';
import { serveHealth } from './health.ts';
import { JobRepository } from './job-repository.ts';
import { loadJobTypes } from './job-types.ts';
import type { Logger } from './logger.ts';
import { JobRunner } from './runner.ts';
import { loadSchema } from './schema.ts';
import type { Settings } from './settings.ts';
import { Storage } from './storage.ts';

/** Handlers have 2 s to end and a moment to put their jobs back. */
const END_MS = 2400;
/** With a grace of 5 s, all of it takes less than 8 s (and traces 1 s more) even where no server answers. */
const CLOSE_MS = 250;

export interface Worker {
  /** Where the health endpoint listens. */
  readonly port: number;
  /** Puts back what does not end within the grace period, then closes everything. */
  stop(): Promise<void>;
}

/** Starts a worker. PostgreSQL, the broker and the storage may be away, now and later. */
export async function startWorker(settings: Settings, logger: Logger): Promise<Worker> {
  const { concurrency, contractsDirectory, jobsDirectory, leaseSeconds } = settings;
  const draining = new AbortController();
  const stopping = new AbortController();
  const database = new Database(settings, logger);
  const storage = new Storage(settings);
  const runner = new JobRunner({
    types: await loadJobTypes(jobsDirectory, contractsDirectory),
    repository: new JobRepository(database.pool, leaseSeconds),
    database,
    storage,
    settings,
    draining: draining.signal,
    stopping: stopping.signal,
  });
  const isMessage = await loadSchema<JobMessage>(
    join(contractsDirectory, 'job-message.schema.json'),
    'message',
  );
  const consumer = new Consumer(isMessage, runner, concurrency, draining.signal, logger);
  const broker = new Broker(settings, (delivery) => consumer.handle(delivery), logger);
  const health = await serveHealth(settings.host, settings.port, {
    postgres: () => database.check(),
    rabbitmq: () => broker.check(),
    storage: () => storage.check(),
  });
  await broker.start();

  return {
    port: (health.address() as AddressInfo).port,
    async stop() {
      draining.abort();
      await Promise.race([broker.stopConsuming(), pause(CLOSE_MS)]);
      await Promise.race([consumer.idle(), pause(settings.graceSeconds * 1000)]);
      stopping.abort(new Stopping());
      await Promise.race([consumer.idle(), pause(END_MS)]);
      health.close();
      health.closeAllConnections();
      storage.close();
      // While the broker connects anew its end is never told: only this timer keeps the process then.
      await Promise.race([Promise.allSettled([broker.close(), database.close()]), sleep(CLOSE_MS)]);
    },
  };
}

async function pause(ms: number): Promise<void> {
  await sleep(ms, undefined, { ref: false });
}
