import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { eventually } from './support/poll.ts';
import { WorkerProcess } from './support/process.ts';
import { Proxy } from './support/proxy.ts';
import { System } from './support/system.ts';

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

test('a job that kills each worker fails after exactly max_attempts, and others are done', async () => {
  const poison = await system.addJob({ params: { crash: true }, maxAttempts: 2 });
  const others = await Promise.all([1, 2, 3].map(() => system.addJob()));
  for (let i = 0; i < 2; i++) {
    expect(await startScripted().exited).toBeNull();
  }
  startScripted();
  for (const id of others) await system.reaches(id, 'succeeded');
  const { error, attempts } = await system.reaches(poison, 'failed');
  expect(error).toBe('The worker stopped 2 times while it worked on this.');
  expect(attempts).toBe(2);
  expect(await system.effects(poison)).toEqual([1, 2]);
  expect(await system.deadLetter()).toBeUndefined();
});

test('a job that has lost two workers waits until it is alone, and ends no other job with the third', async () => {
  const poison = await system.addJob({ params: { crash: true }, maxAttempts: 3 });
  expect(await startScripted().exited).toBeNull();
  expect(await startScripted({ WORKER_LEASE_SECONDS: '60' }).exited).toBeNull();
  const third = startScripted({ WORKER_LEASE_SECONDS: '60', WORKER_CONCURRENCY: '4' });
  const beside = await system.addJob({ params: { waits: 'polite' } });
  await system.reaches(beside, 'running');
  await system.expire(poison);
  await eventually('it is claimed', async () => (await system.job(poison)).attempts === 3);
  const later = await system.addJob();
  await eventually('its message is taken', async () => (await system.waiting()) === 0);
  expect(await system.effects(poison)).toEqual([1, 2]);

  await system.update(beside, 'cancel_requested = true');
  await system.reaches(beside, 'cancelled');
  expect(await third.exited).toBeNull();
  expect(await system.effects(poison)).toEqual([1, 2, 3]);
  expect(await system.effects(later)).toEqual([]);
  await system.expire(poison);
  startScripted();
  await system.reaches(poison, 'failed');
  await system.reaches(later, 'succeeded');
});

test('jobs that are to run alone run one after the other, and others once these have ended', async () => {
  const first = await system.addJob({ params: { waits: 'polite' }, workerLosses: 2 });
  startScripted({ WORKER_CONCURRENCY: '4' });
  await eventually('it has begun', async () => (await system.effects(first)).length === 1);
  const losses = [2, 0, 2, 0];
  const next = await Promise.all(losses.map((workerLosses) => system.addJob({ workerLosses })));
  await eventually('messages are sent', () =>
    next.every((id) => system.relayed.some(({ job_id }) => job_id === id)),
  );
  await eventually('and taken', async () => (await system.waiting()) <= 1);
  for (const id of next) expect(await system.effects(id)).toEqual([]);
  await system.update(first, 'cancel_requested = true');
  for (const id of next) await system.reaches(id, 'succeeded');
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
