import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from './support/poll.ts';
import { System } from './support/system.ts';

let system: System;

async function deadLetter(): Promise<unknown> {
  return eventually('a dead letter', () => system.deadLetter());
}

function relayed(id: string) {
  return system.relayed.filter(({ job_id }) => job_id === id);
}

/** Everything sent so far has been settled, and none of it is dead. */
async function expectNoDeadLetter(): Promise<void> {
  const marker = randomUUID();
  system.publish(marker);
  expect(await deadLetter()).toBe(marker);
}

beforeAll(async () => {
  system = await System.create();
  await system.startWorker({ WORKER_LEASE_SECONDS: '3' }, true);
  await system.startWorker({ WORKER_LEASE_SECONDS: '3' }, true);
});

afterAll(async () => {
  await system.remove();
});

describe('claims', () => {
  test('a job whose message arrives twenty times at two workers runs once', async () => {
    const id = await system.addJob();
    for (let i = 0; i < 20; i++) system.publish({ job_id: id, type: 'scripted' });
    await system.reaches(id, 'succeeded');
    await eventually('all messages are taken', async () => (await system.waiting()) === 0);
    expect(await system.effects(id)).toEqual([1]);
    await expectNoDeadLetter();
  });

  test('a message of a job that is gone is forgotten', async () => {
    system.publish({ job_id: randomUUID(), type: 'scripted' });
    await expectNoDeadLetter();
  });

  test('thirty jobs at once run once each', async () => {
    const ids = await Promise.all(Array.from({ length: 30 }, () => system.addJob()));
    for (const id of ids) await system.reaches(id, 'succeeded');
    for (const id of ids) expect(await system.effects(id)).toEqual([1]);
  });
});

describe('failures', () => {
  test('a failed attempt is tried again after a random delay, and then succeeds', async () => {
    const id = await system.addJob({ params: { failures: 2 } });
    const job = await system.reaches(id, 'succeeded');
    expect(job).toMatchObject({ attempts: 3, error: null, leased: false });
    expect(await system.effects(id)).toEqual([1, 2, 3]);
    const [, first = -1, second = -1] = relayed(id).map(({ delay }) => delay);
    for (const [delay, most] of [
      [first, 1],
      [second, 4],
    ] as const) {
      expect(delay).toBeGreaterThan(0);
      expect(delay).toBeLessThanOrEqual(most);
    }
    await expectNoDeadLetter();
  });

  test('a poison job fails after exactly max_attempts, and its error tells no secret', async () => {
    const id = await system.addJob({ params: { failures: 99 }, maxAttempts: 3 });
    const job = await system.reaches(id, 'failed');
    expect(await system.effects(id)).toEqual([1, 2, 3]);
    expect(job).toMatchObject({
      attempts: 3,
      error: 'An unexpected error occurred (Error). The log of the worker tells more.',
    });
    await expectNoDeadLetter();
  });

  test('a permanent error fails at once, in the words of the job', async () => {
    const id = await system.addJob({ params: { failures: 99, permanent: true } });
    expect(await system.reaches(id, 'failed')).toMatchObject({
      attempts: 1,
      error: 'The moon is full.',
    });
  });

  test('an unknown job type fails at once', async () => {
    const id = await system.addJob({ type: 'levitate' });
    expect(await system.reaches(id, 'failed')).toMatchObject({
      attempts: 1,
      error: 'There is no job type "levitate".',
    });
  });

  test('parameters that the schema refuses fail at once and never reach the handler', async () => {
    const id = await system.addJob({ params: { failures: 'many' } });
    expect(await system.reaches(id, 'failed')).toMatchObject({
      attempts: 1,
      error: 'params/failures must be integer.',
    });
    expect(await system.effects(id)).toEqual([]);
  });

  test.each([
    ['is not JSON', 'nonsense'],
    ['is no object', '[]'],
    ['has no job_id', '{"type":"scripted"}'],
    ['has a job_id that is no UUID', '{"type":"scripted","job_id":"1; DROP TABLE jobs"}'],
    ['has a field too many', `{"type":"scripted","job_id":"${randomUUID()}","x":1}`],
  ])('a message that %s is dead-lettered as it came', async (_, body) => {
    system.publish(body);
    expect(await deadLetter()).toBe(body);
  });
});

describe('running jobs', () => {
  test('a cancelled job ends as cancelled and is not tried again', async () => {
    const id = await system.addJob({ params: { waits: 'polite' } });
    await system.reaches(id, 'running');
    await system.update(id, 'cancel_requested = true');
    expect(await system.reaches(id, 'cancelled')).toMatchObject({ attempts: 1, leased: false });
    await expectNoDeadLetter();
  });

  test('a job that was cancelled while no worker ran it ends as cancelled once claimed', async () => {
    const id = await system.addJob({ params: { waits: 'polite' } });
    await system.reaches(id, 'running');
    await system.update(id, "cancel_requested = true, lease_expires_at = now() - interval '1 s'");
    await system.reaches(id, 'cancelled');
  });

  test('an attempt that takes longer than its type allows fails, says so, and is tried again', async () => {
    const id = await system.addJob({ params: { waits: 'polite' }, maxAttempts: 2 });
    const error = 'The attempt took longer than 6 seconds.';
    expect(await system.reaches(id, 'failed')).toMatchObject({ attempts: 2, error });
    expect(await system.effects(id)).toEqual([0, 0, 1, 2]);
  });

  test('a handler that ignores its abort signal does not keep the job from ending', async () => {
    const id = await system.addJob({ params: { waits: 'deaf' } });
    await system.reaches(id, 'running');
    await system.update(id, 'cancel_requested = true');
    await system.reaches(id, 'cancelled');
  });

  test('a worker whose lease another one took over writes nothing more', async () => {
    const id = await system.addJob({ params: { waits: 'polite' } });
    await system.reaches(id, 'running');
    await system.update(id, "lease_token = gen_random_uuid(), error = 'mine'");
    await eventually('the handler is aborted', async () => (await system.effects(id))[0] === 0);
    await system.reaches(await system.addJob(), 'succeeded');
    expect(await system.job(id)).toMatchObject({ status: 'running', attempts: 1, error: 'mine' });
    await system.update(id, "status = 'cancelled'");
    await expectNoDeadLetter();
  });

  test('the trace context of a message goes on into the message of the next attempt', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const id = await system.addJob({ params: { failures: 1 }, traceparent });
    await system.reaches(id, 'succeeded');
    expect(relayed(id).map(({ headers }) => headers)).toEqual([{ traceparent }, { traceparent }]);
  });
});
