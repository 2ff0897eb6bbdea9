import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import {
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { connect, type Channel, type ChannelModel } from 'amqplib';
import { Client, Pool } from 'pg';
import { eventually } from './poll.ts';
import type { JobResult } from '../../src/job.ts';
import { createLogger } from '../../src/logger.ts';
import { readSettings, type Settings } from '../../src/settings.ts';
import { declareTopology, ROUTING_KEY } from '../../src/topology.ts';
import { startWorker, type Worker } from '../../src/worker.ts';

const TESTS = join(import.meta.dirname, '..');
const TICK_MS = 20;

export interface Job {
  status: string;
  attempts: number;
  progress_done: number;
  progress_total: number | null;
  error: string | null;
  result: JobResult | null;
  leased: boolean;
}

interface Relayed {
  job_id: string;
  headers: object;
  /** Seconds that the message should have waited. */
  delay: number;
}

export interface NewJob {
  type?: string;
  params?: object;
  maxAttempts?: number;
  workerLosses?: number;
  traceparent?: string;
}

/**
 * A database, queue and bucket of its own on the real servers of the environment, with a stand-in
 * for the API's relay and sweeper. The relay does not wait for `available_at`: it notes the delay.
 */
export class System {
  readonly name = `worker_test_${randomUUID().slice(0, 8)}`;
  readonly env: NodeJS.ProcessEnv;
  readonly pool: Pool;
  /** What the relay sent. */
  readonly relayed: Relayed[] = [];
  readonly #s3: S3Client;
  readonly #workers: Worker[] = [];
  #contracts = '';
  #user = '';
  #broker: ChannelModel | undefined;
  #channel: Channel | undefined;
  #relaying: Promise<void> | undefined;
  #removed = false;

  private constructor() {
    this.env = {
      ...process.env,
      HOST: '127.0.0.1',
      PORT: '0',
      POSTGRES_DB: this.name,
      JOB_QUEUE: this.name,
      S3_BUCKET: this.name.replaceAll('_', '-'),
      S3_REGION: process.env.S3_REGION ?? 'us-east-1',
      OTEL_EXPORTER_OTLP_ENDPOINT: undefined,
    };
    const { postgres, storage } = readSettings(this.env);
    this.pool = new Pool({ ...postgres, max: 5 });
    // The database is dropped while the last connections still close.
    this.pool.on('error', () => undefined);
    this.#s3 = new S3Client({ ...storage, credentials: storage, forcePathStyle: true });
  }

  static async create(): Promise<System> {
    const system = new System();
    await system.#admin(`CREATE DATABASE ${system.name}`);
    await system.pool.query(await readFile(join(TESTS, 'schema.sql'), 'utf8'));
    await system.pool.query('CREATE TABLE effects (job_id uuid, attempt int)');
    await system.pool.query('GRANT ALL ON effects TO groundplan_worker');
    await system.pool.query("INSERT INTO roles (name) VALUES ('viewer')");
    system.#user = await system.addUser('Ada');
    system.#contracts = await mkdtemp(join(tmpdir(), 'contracts-'));
    await cp(join(TESTS, 'contracts'), system.#contracts, { recursive: true });
    const message = 'job-message.schema.json';
    const { contractsDirectory, rabbitmq } = system.settings();
    await cp(join(contractsDirectory, message), join(system.#contracts, message));
    system.#broker = await connect({
      hostname: rabbitmq.host,
      port: rabbitmq.port,
      username: rabbitmq.user,
      password: rabbitmq.password,
    });
    system.#channel = await system.#broker.createChannel();
    await declareTopology(system.#channel, system.name);
    system.#relaying = system.#relayAll();
    return system;
  }

  /** Ends the workers and removes everything again. */
  async remove(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    this.#removed = true;
    await this.#relaying;
    for (const suffix of ['', '.dead']) {
      await this.#channel?.deleteQueue(this.name + suffix);
      await this.#channel?.deleteExchange(this.name + suffix);
    }
    await this.#broker?.close();
    await this.#removeBucket();
    this.#s3.destroy();
    await this.pool.end();
    await this.#admin(`DROP DATABASE ${this.name} WITH (FORCE)`);
    await rm(this.#contracts, { recursive: true });
  }

  settings(env: NodeJS.ProcessEnv = {}): Settings {
    return readSettings({ ...this.env, ...env });
  }

  /** Settings of a worker whose job types are those of tests/jobs. */
  get scripted(): NodeJS.ProcessEnv {
    return { CONTRACTS_DIR: this.#contracts, JOBS_DIRECTORY: join(TESTS, 'jobs') };
  }

  /** Starts a worker in this process; its job types are those of tests/jobs where `scripted`. */
  async startWorker(env: NodeJS.ProcessEnv = {}, scripted = false): Promise<Worker> {
    const logger = createLogger(process.env.TEST_LOG_LEVEL ?? 'silent');
    const worker = await startWorker(
      this.settings({ ...env, ...(scripted && this.scripted) }),
      logger,
    );
    this.#workers.push(worker);
    return worker;
  }

  async addUser(name: string, email = `${randomUUID()}@example.com`): Promise<string> {
    const { rows } = await this.pool.query<{ id: string }>(
      `INSERT INTO users (name, email, password_hash, role_id)
       SELECT $1, $2, 'never-export-this', id FROM roles RETURNING id`,
      [name, email],
    );
    return rows[0]?.id ?? '';
  }

  /** Adds rows of about 600 bytes each. */
  async addUsers(count: number): Promise<void> {
    await this.pool.query(
      `INSERT INTO users (name, email, password_hash, role_id)
       SELECT 'User ' || i || repeat('x', 500), 'user' || i || '@example.com', 'x', roles.id
       FROM generate_series(1, $1) i, roles`,
      [count],
    );
  }

  /** Adds a job, as the API does; returns its id. */
  async addJob(job: NewJob = {}): Promise<string> {
    const { type = 'scripted', params = {}, maxAttempts = 5, workerLosses = 0, traceparent } = job;
    const { rows } = await this.pool.query<{ id: string }>(
      `INSERT INTO jobs (type, params, max_attempts, worker_losses, requested_by, headers)
       VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
      [type, params, maxAttempts, workerLosses, this.#user, { traceparent }],
    );
    return rows[0]?.id ?? '';
  }

  async addExport(format = 'csv', compression = 'none', maxAttempts = 5): Promise<string> {
    const params = { type: 'users', format, compression };
    return this.addJob({ type: 'export', params, maxAttempts });
  }

  publish(body: string | object, headers: object = {}): void {
    const content = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    this.#channel?.publish(this.name, ROUTING_KEY, content, { headers, persistent: true });
  }

  async job(id: string): Promise<Job> {
    const { rows } = await this.pool.query<Job>(
      `SELECT status, attempts, progress_done::float8, progress_total::float8, error, result,
         coalesce(lease_expires_at > now(), false) AS leased FROM jobs WHERE id = $1`,
      [id],
    );
    if (!rows[0]) throw new Error('no such job');
    return rows[0];
  }

  /** Waits for a status and returns the job then. */
  async reaches(id: string, status: string): Promise<Job> {
    return eventually(`job is ${status}`, async () => {
      const job = await this.job(id);
      return job.status === status && job;
    });
  }

  async update(id: string, assignment: string): Promise<void> {
    await this.pool.query(`UPDATE jobs SET ${assignment} WHERE id = $1`, [id]);
  }

  /** Attempts whose handler ran; a 0 for each that was aborted. */
  async effects(id: string): Promise<number[]> {
    const { rows } = await this.pool.query<{ attempt: number }>(
      'SELECT attempt FROM effects WHERE job_id = $1 ORDER BY attempt',
      [id],
    );
    return rows.map(({ attempt }) => attempt);
  }

  /** Takes one dead letter, if there is one. */
  async deadLetter(): Promise<string | undefined> {
    const message = await this.#channel?.get(`${this.name}.dead`, { noAck: true });
    return message ? message.content.toString() : undefined;
  }

  /** Messages that no worker has taken. */
  async waiting(): Promise<number> {
    return (await this.#channel?.checkQueue(this.name))?.messageCount ?? 0;
  }

  /** Throws away what is waiting, once the broker has noticed that no worker is left. */
  async clearQueue(): Promise<void> {
    const { name } = this;
    await eventually('the last worker is gone', async () => {
      return (await this.#channel?.checkQueue(name))?.consumerCount === 0;
    });
    await this.#channel?.purgeQueue(name);
  }

  async deleteQueue(): Promise<void> {
    await this.#channel?.deleteQueue(this.name);
  }

  /** How many connections run a COPY at the moment. */
  async copies(): Promise<number> {
    const { rows } = await this.pool.query(
      `SELECT FROM pg_stat_activity
       WHERE datname = $1 AND application_name = 'groundplan-worker' AND query LIKE 'COPY%'
         AND state = 'active'`,
      [this.name],
    );
    return rows.length;
  }

  async keys(): Promise<string[]> {
    const command = new ListObjectsV2Command({ Bucket: this.env.S3_BUCKET });
    const { Contents = [] } = await this.#s3.send(command).catch(() => ({ Contents: [] }));
    return Contents.map(({ Key = '' }) => Key);
  }

  /** Keys of uploads that were begun and neither completed nor aborted. */
  async openUploads(): Promise<string[]> {
    const command = new ListMultipartUploadsCommand({ Bucket: this.env.S3_BUCKET });
    // rclone answers 404 where there are none.
    const { Uploads = [] } = await this.#s3.send(command).catch(() => ({ Uploads: [] }));
    return Uploads.map(({ Key = '' }) => Key);
  }

  /** The text of an exported file, unpacked. */
  async read(result: JobResult | null): Promise<string> {
    const command = new GetObjectCommand({ Bucket: this.env.S3_BUCKET, Key: result?.key });
    const { Body } = await this.#s3.send(command);
    const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
    if (bytes.length !== result?.bytes) throw new Error(`the file has ${bytes.length} bytes`);
    return (result.key.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  }

  async #relayAll(): Promise<void> {
    while (!this.#removed) {
      await this.#relay();
      await sleep(TICK_MS);
    }
  }

  async #relay(): Promise<void> {
    await this.pool.query('SELECT sweep_jobs()');
    const { rows } = await this.pool.query<Relayed & { message: object }>(
      `DELETE FROM outbox RETURNING job_id, message, headers,
         extract(epoch FROM available_at - created_at)::float8 AS delay`,
    );
    // No test waits for a delay.
    await this.pool.query('UPDATE jobs SET enqueued_at = now() WHERE enqueued_at > now()');
    for (const { message, ...relayed } of rows) {
      this.relayed.push(relayed);
      this.publish(message, relayed.headers);
    }
  }

  async #removeBucket(): Promise<void> {
    const Bucket = this.env.S3_BUCKET;
    // rclone leaves the folder of an aborted upload; it goes with the next file in it.
    const { rows } = await this.pool.query<{ id: string }>(
      "SELECT id FROM jobs WHERE type = 'export'",
    );
    for (const { id } of rows) {
      const put = new PutObjectCommand({ Bucket, Key: `exports/${id}/1/last`, Body: 'x' });
      await this.#s3.send(put).catch(() => undefined);
    }
    for (const Key of await this.keys()) {
      await this.#s3.send(new DeleteObjectCommand({ Bucket, Key }));
    }
    await this.#s3.send(new DeleteBucketCommand({ Bucket })).catch(() => undefined);
  }

  async #admin(sql: string): Promise<void> {
    const client = new Client({ ...this.settings().postgres, database: 'postgres' });
    await client.connect();
    await client.query(sql);
    await client.end();
  }
}
