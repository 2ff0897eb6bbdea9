import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from './support/poll.ts';
import { WorkerProcess } from './support/process.ts';
import { Proxy } from './support/proxy.ts';
import { System } from './support/system.ts';

const MANY = 1000;

let system: System;
let postgres: Proxy;
let rabbitmq: Proxy;
let storage: Proxy;
let worker: WorkerProcess | undefined;

function start(env: NodeJS.ProcessEnv = {}): WorkerProcess {
  worker = new WorkerProcess({
    ...system.env,
    POSTGRES_ADDRESS: postgres.address,
    RABBITMQ_ADDRESS: rabbitmq.address,
    S3_ENDPOINT: `http://${storage.address}`,
    WORKER_LEASE_SECONDS: '2',
    ...env,
  });
  return worker;
}

async function expectChecks(expected: Record<string, string>): Promise<void> {
  await eventually(`checks ${JSON.stringify(expected)}`, async () => {
    const answer = await worker?.health('/readyz');
    const { checks } = (answer?.body ?? {}) as { checks?: unknown };
    return JSON.stringify(checks) === JSON.stringify(expected);
  });
}

async function backAtTheBroker(): Promise<void> {
  await eventually('the worker consumes again', () => {
    return worker?.lines.filter(({ event }) => event === 'broker.consuming').length === 2;
  });
}

/** Starts a worker with an export that the storage holds up in the middle. */
async function startExport(): Promise<string> {
  storage.holdAfter = storage.sent + 1_000_000;
  start();
  const id = await system.addExport('csv', 'none', MANY);
  await eventually('the upload has begun', () => storage.sent > storage.holdAfter);
  return id;
}

beforeAll(async () => {
  system = await System.create();
  await system.addUsers(20_000);
});

beforeEach(async () => {
  postgres = await new Proxy(system.env.POSTGRES_ADDRESS ?? '').start();
  rabbitmq = await new Proxy(system.env.RABBITMQ_ADDRESS ?? '').start();
  storage = await new Proxy(new URL(system.env.S3_ENDPOINT ?? '').host).start();
});

afterEach(async () => {
  worker?.kill('SIGKILL');
  await worker?.exited;
  for (const proxy of [postgres, rabbitmq, storage]) proxy.stop();
});

afterAll(async () => {
  await system.remove();
});

describe('start', () => {
  test('a worker that starts before its servers lives, says what it lacks, and is ready at once when they come', async () => {
    for (const proxy of [postgres, rabbitmq, storage]) proxy.cut();
    const late = start();
    await expectChecks({
      postgres: 'unavailable',
      rabbitmq: 'unavailable',
      storage: 'unavailable',
    });
    expect(await late.health('/healthz')).toEqual({ status: 200, body: { status: 'ok' } });
    expect(await late.health('/readyz')).toMatchObject({ status: 503 });
    postgres.open();
    storage.open();
    await expectChecks({ postgres: 'ok', rabbitmq: 'unavailable', storage: 'ok' });
    rabbitmq.open();
    await late.ready(4);
  });

  test('a worker that is still connecting stops in order when told', async () => {
    for (const proxy of [postgres, rabbitmq, storage]) proxy.cut();
    const late = start();
    await expectChecks({
      postgres: 'unavailable',
      rabbitmq: 'unavailable',
      storage: 'unavailable',
    });
    late.kill('SIGTERM');
    expect(await late.exited).toBe(0);
    await eventually('the last line', () => late.logged('worker.stopped'), 2);
  });

  test('a job that waits in the queue since before the start is done', async () => {
    const id = await system.addExport();
    start();
    await system.reaches(id, 'succeeded');
  });

  test('missing and placeholder settings end the start with one message that names them all', async () => {
    const env = { ...system.env, S3_BUCKET: undefined, POSTGRES_PASSWORD: '<random 32>' };
    const wrong = new WorkerProcess({ ...env, WORKER_CONCURRENCY: 'two' });
    expect(await wrong.exited).toBe(1);
    expect(wrong.stderr.trim()).toBe(
      'The environment is not complete: POSTGRES_PASSWORD still holds a placeholder; ' +
        'S3_BUCKET is missing; WORKER_CONCURRENCY must be a number from 1 to 100. ' +
        'Try: ./gp secrets check',
    );
  });
});

describe('broker', () => {
  test('a job goes on through a lost connection, runs once, and the next one arrives', async () => {
    const id = await startExport();
    rabbitmq.drop();
    await backAtTheBroker();
    storage.open();
    expect(await system.reaches(id, 'succeeded')).toMatchObject({ attempts: 1 });
    await system.reaches(await system.addExport(), 'succeeded');
    expect(await system.deadLetter()).toBeUndefined();
  });

  test('a worker whose broker is away says so, lives, and goes on when it is back', async () => {
    start();
    await worker?.ready();
    rabbitmq.cut();
    await expectChecks({ postgres: 'ok', rabbitmq: 'unavailable', storage: 'ok' });
    expect(await worker?.health('/healthz')).toMatchObject({ status: 200 });
    const id = await system.addExport();
    rabbitmq.open();
    await system.reaches(id, 'succeeded');
  });

  test('a worker whose broker is frozen still stops at once', async () => {
    const stopped = start({ WORKER_GRACE_SECONDS: '60' });
    await stopped.ready();
    rabbitmq.hold();
    const before = performance.now();
    stopped.kill('SIGTERM');
    expect(await stopped.exited).toBe(0);
    expect(performance.now() - before).toBeLessThan(5000);
  });

  test('a queue that was deleted is declared again', async () => {
    start();
    await worker?.ready();
    await system.deleteQueue();
    await backAtTheBroker();
    await system.reaches(await system.addExport(), 'succeeded');
  });
});

describe('storage', () => {
  test('a job says that the storage is away and is tried again until it is back', async () => {
    storage.cut();
    start();
    const id = await system.addExport('csv', 'gzip', MANY);
    const error = await eventually('an error', async () => (await system.job(id)).error ?? false);
    expect(error).toMatch(/^The storage did not answer \(\w+\)\./);
    storage.open();
    expect(await system.reaches(id, 'succeeded')).toMatchObject({ error: null });
  });

  test('a connection lost in the middle of an upload costs nothing but time', async () => {
    const id = await startExport();
    storage.drop();
    storage.open();
    const { result } = await system.reaches(id, 'succeeded');
    expect((await system.read(result)).trimEnd().split('\n')).toHaveLength(20_002);
  });

  test('a storage that goes away in the middle of an upload is named as the cause', async () => {
    const id = await startExport();
    storage.cut();
    const error = await eventually('an error', async () => (await system.job(id)).error ?? false);
    expect(error).toMatch(/^The storage did not answer/);
    storage.open();
    const { result } = await system.reaches(id, 'succeeded');
    expect((await system.keys()).filter((key) => key.includes(id))).toEqual([result?.key]);
  });

  test('a storage that stays away costs one attempt, and those that wait none', async () => {
    storage.cut();
    start();
    const id = await system.addExport('csv', 'gzip', 2);
    await eventually('the worker waits', () => worker?.logged('storage.away'), 20);
    const { status, error, attempts } = await system.job(id);
    expect({ status, attempts }).toEqual({ status: 'queued', attempts: 1 });
    expect(error).toMatch(/^The storage did not answer/);
    const waiting = await system.addExport('csv', 'gzip', 1);
    storage.open();
    expect(await system.reaches(waiting, 'succeeded')).toMatchObject({ attempts: 1 });
    expect(await system.reaches(id, 'succeeded')).toMatchObject({ attempts: 2 });
    expect(await system.keys()).not.toContain('exports/probe');
  });

  test('a refused access key costs one attempt, and a worker with the right one does the job', async () => {
    const wrong = start({ S3_SECRET_ACCESS_KEY: 'wrong' });
    const id = await system.addExport('csv', 'gzip', 2);
    await eventually('the worker waits', () => wrong.logged('storage.away'), 20);
    const { error, attempts } = await system.job(id);
    expect(error).toMatch(/^The storage refused access/);
    expect(attempts).toBe(1);
    wrong.kill('SIGTERM');
    expect(await wrong.exited).toBe(0);
    start();
    expect(await system.reaches(id, 'succeeded')).toMatchObject({ attempts: 2 });
  });
});

describe('database', () => {
  test('a message waits while the database is away, and its job is done when it is back', async () => {
    start();
    await worker?.ready();
    postgres.cut();
    const id = await system.addExport();
    await eventually('the worker noticed', () => worker?.logged('database.away'));
    await expectChecks({ postgres: 'unavailable', rabbitmq: 'ok', storage: 'ok' });
    postgres.open();
    expect(await system.reaches(id, 'succeeded')).toMatchObject({ attempts: 1 });
    expect(await system.deadLetter()).toBeUndefined();
  });

  test('an export whose database is frozen is given up, and done again later', async () => {
    const id = await startExport();
    postgres.hold();
    await eventually('the worker gave up', () => worker?.logged('job.lease_lost'));
    storage.open();
    postgres.drop();
    const { result } = await system.reaches(id, 'succeeded');
    expect((await system.keys()).filter((key) => key.includes(id))).toEqual([result?.key]);
  });

  test('an export whose database went away in the middle ends with one complete file', async () => {
    const id = await startExport();
    postgres.cut();
    await eventually('the worker noticed', () => worker?.logged('lease.not_extended'));
    storage.open();
    postgres.open();
    const { result } = await system.reaches(id, 'succeeded');
    expect((await system.read(result)).trimEnd().split('\n')).toHaveLength(20_002);
    expect((await system.keys()).filter((key) => key.includes(id))).toEqual([result?.key]);
  });
});
