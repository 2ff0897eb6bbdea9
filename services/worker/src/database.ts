import { Socket } from 'node:net';
import type { Attributes } from '@opentelemetry/api';
import { Client, Pool, type ClientConfig } from 'pg';
import type { Logger } from './logger.ts';
import type { Settings } from './settings.ts';
import { traceStatements } from './sql-tracing.ts';

const SILENCE_MS = 10_000;
/** The server ends a session whose client vanished within 20 s, and its locks with it. */
const KEEPALIVES =
  '-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2';

/** Short statements go through `pool`, which gives up after 5 s; long ones need `connect`. */
export class Database {
  readonly pool: Pool;
  readonly #config: ClientConfig;
  readonly #server: Attributes;
  readonly #logger: Logger;

  constructor(settings: Settings, logger: Logger) {
    const { role, ca, ...server } = settings.postgres;
    const { host, port } = server;
    this.#logger = logger;
    this.#server = { 'server.address': host, 'server.port': port };
    this.#config = {
      ...server,
      // With an authority, the server must show a certificate of it for its host.
      ...(ca !== undefined && { ssl: { ca } }),
      options: role === undefined ? KEEPALIVES : `${KEEPALIVES} -c role=${role}`,
      application_name: 'groundplan-worker',
      connectionTimeoutMillis: 3000,
      keepAlive: true,
    };
    const pool = new Pool({
      ...this.#config,
      // Each job may use one connection for itself and one for its lease.
      max: settings.concurrency * 2 + 1,
      query_timeout: 5000,
    });
    this.pool = traceStatements(pool, this.#server);
    this.pool.on('error', this.#onError);
  }

  /** Opens a connection of its own without time limits, as for COPY. The caller ends it. */
  async connect(): Promise<Client> {
    const client = new Client({ ...this.#config, statement_timeout: 0 });
    client.on('error', this.#onError);
    await client.connect();
    this.#endWhenSilent(client);
    return traceStatements(client, this.#server);
  }

  /** @throws where PostgreSQL does not answer. */
  async check(): Promise<void> {
    await this.pool.query('SELECT 1');
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  /** A peer that vanished says nothing, and a COPY would wait for it for ever. */
  #endWhenSilent(client: Client): void {
    const socket = client.connection.stream;
    if (!(socket instanceof Socket)) return;
    const look = async () => {
      // Not where it is our side that reads no further.
      if (socket.isPaused() || (await this.#isWorking(client))) socket.setTimeout(SILENCE_MS);
      else socket.destroy(new Error('Connection terminated: PostgreSQL said nothing.'));
    };
    socket.setTimeout(SILENCE_MS);
    socket.on('timeout', () => void look());
  }

  /** True while the server works on a statement of the connection, such as a long count. */
  async #isWorking(client: Client): Promise<boolean> {
    // Its types leave this out.
    const { processID } = client as Client & { processID: number };
    try {
      const { rowCount } = await this.pool.query(
        `SELECT FROM pg_stat_activity
         WHERE pid = $1 AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'`,
        [processID],
      );
      return rowCount === 1;
    } catch {
      return false;
    }
  }

  // Without a listener, a connection that breaks while idle would end the process.
  readonly #onError = (error: Error): void => {
    this.#logger.warn({ err: error }, 'database.connection_lost');
  };
}
