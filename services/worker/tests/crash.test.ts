import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from './support/poll.ts';
import { isAlive, WorkerProcess } from './support/process.ts';
import { Proxy } from './support/proxy.ts';
import { System, type NewJob } from './support/system.ts';

const ROWS = 60_000;

let system: System;
let storage: Proxy;
const running = new Set<WorkerProcess>();

function start(graceSeconds = 1): WorkerProcess {
  const worker = new WorkerProcess({
    ...system.env,
    S3_ENDPOINT: `http://${storage.address}`,
    WORKER_LEASE_SECONDS: '2',
    WORKER_GRACE_SECONDS: String(graceSeconds),
  });
  running.add(worker);
  return worker;
}

/** Starts a worker that knows the job types of tests/jobs. */
function startScripted(env: NodeJS.ProcessEnv = {}): WorkerProcess {
  const worker = new WorkerProcess({
    ...system.env,
    ...system.scripted,
    WORKER_LEASE_SECONDS: '2',
    ...env,
  });
  running.add(worker);
  return worker;
}

/** Starts an export, and a worker that the slow storage keeps busy with it for 30 s. */
async function startExport(graceSeconds?: number): Promise<{ id: string; worker: WorkerProcess }> {
  storage.slow();
  const { sent } = storage;
  const worker = start(graceSeconds);
  const id = await system.addExport();
  await eventually('the export is half done', async () => {
    const { progress_done } = await system.job(id);
    return progress_done > 0 && storage.sent > sent + 1_000_000;
  });
  expect(await system.copies()).toBe(1);
  return { id, worker };
}

async function expectNothingLeft(id: string): Promise<void> {
  await eventually('the COPY ends', async () => (await system.copies()) === 0);
  expect(await objectsOf(id)).toEqual([]);
  expect(await system.openUploads()).toEqual([]);
}

async function objectsOf(id: string): Promise<string[]> {
  return (await system.keys()).filter((key) => key.includes(id));
}

async function expectOneFile(id: string, attempts: number): Promise<void> {
  const job = await system.reaches(id, 'succeeded');
  expect(job.attempts).toBe(attempts);
  expect(await objectsOf(id)).toEqual([job.result?.key]);
  expect(await system.openUploads()).toEqual([]);
  expect(job.result?.rows).toBe(ROWS + 1);
  expect((await system.read(job.result)).trimEnd().split('\n')).toHaveLength(ROWS + 2);
}

beforeAll(async () => {
  system = await System.create();
  await system.addUsers(ROWS);
  storage = await new Proxy(new URL(system.env.S3_ENDPOINT ?? '').host).start();
});

afterEach(async () => {
  storage.open();
  for (const worker of running) worker.kill('SIGKILL');
  for (const worker of running) await worker.exited;
  running.clear();
});

afterAll(async () => {
  storage.stop();
  await system.remove();
});

test('after kill -9 in the middle of an export another worker makes exactly one file', async () => {
  const { id, worker } = await startExport();
  worker.kill('SIGKILL');
  await worker.exited;
  storage.drop();
  storage.open();
  start();
  await expectOneFile(id, 2);
});

test('a cancel in the middle of an export ends the COPY and leaves no file', async () => {
  const { id } = await startExport();
  const before = performance.now();
  await system.update(id, 'cancel_requested = true');
  await system.reaches(id, 'cancelled');
  // Of which 2 s are for a machine that has much else to do.
  expect(performance.now() - before).toBeLessThan(3000);
  await expectNothingLeft(id);
});

test('a worker that lost its lease ends the COPY and leaves no file', async () => {
  const { id } = await startExport();
  await system.update(id, "lease_token = gen_random_uuid(), status = 'cancelled'");
  await expectNothingLeft(id);
  expect(await system.job(id)).toMatchObject({ status: 'cancelled', result: null });
});

test('SIGTERM puts a job that does not end in time back, without counting the attempt', async () => {
  const { id, worker } = await startExport();
  const before = performance.now();
  worker.kill('SIGTERM');
  expect(await worker.exited).toBe(0);
  expect(performance.now() - before).toBeLessThan(8000);
  expect(await system.job(id)).toMatchObject({
    status: 'queued',
    attempts: 0,
    error: null,
    leased: false,
  });
  await expectNothingLeft(id);
  storage.open();
  start();
  await expectOneFile(id, 1);
});

test('SIGTERM lets a job end that needs less than the grace period', async () => {
  const { id, worker } = await startExport(30);
  worker.kill('SIGTERM');
  await eventually('the worker stops', () => worker.logged('worker.stopping'));
  storage.open();
  expect(await worker.exited).toBe(0);
  await expectOneFile(id, 1);
});

test('a job that killed its worker ends no other, fails after exactly max_attempts, and others are done', async () => {
  const poison = await system.addJob({ params: { crash: true }, maxAttempts: 3 });
  const others = await Promise.all([1, 2, 3].map(() => system.addJob()));
  expect(await startScripted().exited).toBeNull();
  const second = startScripted();
  for (const id of others) await system.reaches(id, 'succeeded');
  const { error, attempts } = await system.reaches(poison, 'failed');
  expect(error).toBe('The process of this job ended (SIGKILL).');
  expect(attempts).toBe(3);
  expect(await system.effects(poison)).toEqual([1, 2, 3]);
  expect(await system.deadLetter()).toBeUndefined();
  expect((await second.health('/readyz'))?.status).toBe(200);
});

describe('an attempt in a process of its own', () => {
  async function addLost(job: NewJob): Promise<string> {
    return system.addJob({ ...job, workerLosses: 1 });
  }

  test('makes the file, tells its progress and leaves no process', async () => {
    const worker = start();
    const id = await addLost({
      type: 'export',
      params: { type: 'users', format: 'csv', compression: 'none' },
    });
    await eventually('its process runs', () => worker.children.length === 1);
    await expectOneFile(id, 1);
    expect(await system.job(id)).toMatchObject({
      progress_done: ROWS + 1,
      progress_total: ROWS + 1,
    });
    await eventually('it is gone', () => worker.children.length === 0);
  });

  test('fails in the words of the job, and says in the log what happened', async () => {
    const worker = startScripted();
    const permanent = await addLost({ params: { failures: 9, permanent: true } });
    expect(await system.reaches(permanent, 'failed')).toMatchObject({
      attempts: 1,
      error: 'The moon is full.',
    });
    const secret = await addLost({ params: { failures: 9 }, maxAttempts: 1 });
    expect((await system.reaches(secret, 'failed')).error).toBe(
      'An unexpected error occurred (Error). The log of the worker tells more.',
    );
    const told = await eventually('the log says why', () =>
      worker.lines.find(({ event, job_id }) => event === 'job.attempt_failed' && job_id === secret),
    );
    expect(JSON.stringify(told.err)).toContain('password=hunter2');
  });

  test.each(['polite', 'deaf'] as const)('ends when it is cancelled: %s', async (waits) => {
    const worker = startScripted();
    const id = await addLost({ params: { waits } });
    await eventually('it has begun', async () => (await system.effects(id)).includes(1));
    await system.update(id, 'cancel_requested = true');
    await system.reaches(id, 'cancelled');
    await eventually('its process is gone', () => worker.children.length === 0);
    expect(await system.effects(id)).toEqual(waits === 'polite' ? [0, 1] : [1]);
  });

  test('is put back when its worker stops', async () => {
    const worker = startScripted({ WORKER_GRACE_SECONDS: '0' });
    const id = await addLost({ params: { waits: 'polite' } });
    await eventually('it has begun', async () => (await system.effects(id)).includes(1));
    worker.kill('SIGTERM');
    expect(await worker.exited).toBe(0);
    expect(await system.job(id)).toMatchObject({ status: 'queued', attempts: 0, leased: false });
    await system.update(id, "status = 'cancelled'");
  });

  test('ends with its worker', async () => {
    const worker = startScripted({ WORKER_LEASE_SECONDS: '60' });
    const id = await addLost({ params: { waits: 'deaf' } });
    await eventually('it has begun', async () => (await system.effects(id)).includes(1));
    const [child = 0] = worker.children;
    expect(isAlive(child)).toBe(true);
    worker.kill('SIGKILL');
    await eventually('it is gone', () => !isAlive(child));
    await system.update(id, "status = 'cancelled'");
  });
});

test('a message that a worker died on is given back before the next job can end its worker', async () => {
  await system.clearQueue();
  const patient = { WORKER_LEASE_SECONDS: '60', WORKER_CONCURRENCY: '1' };
  const ids = [await system.addJob({ params: { crash: true } })];
  await startScripted(patient).exited;
  await eventually('its message is back', async () => (await system.waiting()) === 1);
  ids.push(await system.addJob({ params: { waits: 'polite' } }));
  const second = startScripted(patient);
  await system.reaches(ids[1] ?? '', 'running');
  // The broker sends the other message once the first is done with, and only that one comes back.
  await eventually('the other message is sent', async () => (await system.waiting()) === 0);
  second.kill('SIGKILL');
  await second.exited;
  await eventually('a message is back', async () => (await system.waiting()) > 0);
  expect(await system.waiting()).toBe(1);
  for (const id of ids) await system.update(id, "status = 'cancelled'");
});

test('a worker without jobs stops at once, also when told twice', async () => {
  const worker = start(60);
  await worker.ready();
  const before = performance.now();
  worker.kill('SIGINT');
  worker.kill('SIGTERM');
  expect(await worker.exited).toBe(0);
  expect(performance.now() - before).toBeLessThan(5000);
  expect(worker.stderr).toBe('');
});
