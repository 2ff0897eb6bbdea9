import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from 'pg';
import { Database } from '../src/database.ts';
import { createLogger } from '../src/logger.ts';
import { eventually } from './support/poll.ts';
import { WorkerProcess } from './support/process.ts';
import { System } from './support/system.ts';

const CANARY = 'canary-that-nobody-may-hear';
const SECRETS = ['POSTGRES_PASSWORD', 'RABBITMQ_DEFAULT_PASS', 'S3_SECRET_ACCESS_KEY'];

let system: System;

beforeAll(async () => {
  system = await System.create();
});

afterAll(async () => {
  await system.remove();
});

describe('the role of the worker', () => {
  let client: Client;

  beforeAll(async () => {
    const settings = system.settings({ POSTGRES_ROLE: 'groundplan_worker' });
    client = await new Database(settings, createLogger('silent')).connect();
  });

  afterAll(async () => {
    await client.end();
  });

  test.each([
    'SELECT password_hash FROM users',
    'SELECT * FROM users',
    'UPDATE users SET is_active = false',
    'SELECT permissions FROM roles',
    'SELECT id FROM jobs',
    'UPDATE jobs SET progress_done = 1',
    'SELECT sweep_jobs()',
    'SELECT lock_next_job()',
    'INSERT INTO outbox (routing_key) VALUES (1)',
    'SELECT * FROM outbox',
    'CREATE TABLE mine (id int)',
  ])('is refused: %s', async (sql) => {
    await expect(client.query(sql)).rejects.toMatchObject({ code: '42501' });
  });
});

describe('secrets', () => {
  let folder: string;
  let canaries: NodeJS.ProcessEnv;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'secrets-'));
    canaries = {};
    for (const name of SECRETS) {
      await writeFile(join(folder, name), `${CANARY}-${name}\n`);
      canaries = { ...canaries, [name]: undefined, [`${name}_FILE`]: join(folder, name) };
    }
  });

  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  async function expectSilence(env: NodeJS.ProcessEnv): Promise<void> {
    const worker = new WorkerProcess({ ...system.env, ...canaries, LOG_LEVEL: 'trace', ...env });
    const health = await eventually('an answer', () => worker.health('/readyz'));
    expect(health).toMatchObject({ status: 503 });
    await eventually('a warning', () => worker.logged('broker.away'));
    worker.kill('SIGTERM');
    await worker.exited;
    expect(JSON.stringify([worker.lines, health]) + worker.stderr).not.toContain(CANARY);
  }

  test('do not show where every server refuses them', async () => {
    await expectSilence({});
  });

  test('do not show where no server answers', async () => {
    const away = '127.0.0.1:9';
    await expectSilence({
      POSTGRES_ADDRESS: away,
      RABBITMQ_ADDRESS: away,
      S3_ENDPOINT: `http://${away}`,
    });
  });
});
