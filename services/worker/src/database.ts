import { Client, Pool, type ClientConfig } from 'pg';
import type { Logger } from './logger.ts';
import type { Settings } from './settings.ts';

/** Short statements go through `pool`, which gives up after 5 s; long ones need `connect`. */
export class Database {
  readonly pool: Pool;
  readonly #config: ClientConfig;
  readonly #logger: Logger;

  constructor(settings: Settings, logger: Logger) {
    this.#logger = logger;
    this.#config = {
      ...settings.postgres,
      application_name: 'groundplan-worker',
      connectionTimeoutMillis: 3000,
      keepAlive: true,
    };
    this.pool = new Pool({
      ...this.#config,
      // Each job may use one connection for itself and one for its lease.
      max: settings.concurrency * 2 + 1,
      query_timeout: 5000,
    });
    this.pool.on('error', this.#onError);
  }

  /** Opens a connection of its own without time limits, as for COPY. The caller ends it. */
  async connect(): Promise<Client> {
    const client = new Client({ ...this.#config, statement_timeout: 0 });
    client.on('error', this.#onError);
    await client.connect();
    return client;
  }

  /** @throws where PostgreSQL does not answer. */
  async check(): Promise<void> {
    await this.pool.query('SELECT 1');
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  // Without a listener, a connection that breaks while idle would end the process.
  readonly #onError = (error: Error): void => {
    this.#logger.warn({ err: error }, 'database.connection_lost');
  };
}
