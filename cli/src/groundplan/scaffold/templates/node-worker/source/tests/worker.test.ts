import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Message } from '../src/message.ts';
import { eventually, Queues } from './queues.ts';

let queues: Queues;

beforeAll(async () => {
  queues = await Queues.create();
});

afterEach(async () => {
  await queues.stopWorkers();
});

afterAll(async () => {
  await queues.remove();
});

describe('messages', () => {
  test('each message is handled once, by one of two workers', async () => {
    const handled: string[] = [];
    const handle = ({ id }: Message): Promise<void> => {
      handled.push(id);
      return Promise.resolve();
    };
    await Promise.all([queues.start(handle), queues.start(handle)]);
    const ids = Array.from({ length: 50 }, (_, i) => `message ${i}`);
    for (const id of ids) await queues.publish({ id, text: '' });
    await eventually('all are handled', () => handled.length >= ids.length);
    expect(handled.sort()).toEqual(ids.sort());
  });

  test('no more messages are at work than the settings allow', async () => {
    let running = 0;
    let most = 0;
    let ended = 0;
    await queues.start(
      async () => {
        most = Math.max(most, ++running);
        await new Promise(setImmediate);
        running--;
        ended++;
      },
      { concurrency: 2 },
    );
    for (let i = 0; i < 20; i++) await queues.publish({ id: String(i), text: '' });
    await eventually('all ended', () => ended === 20);
    expect(most).toBeLessThanOrEqual(2);
  });

  test.each([
    ['is no JSON', 'nonsense'],
    ['lacks a field', '{"id":"1"}'],
    ['has a field too many', '{"id":"1","text":"","x":1}'],
  ])('a message that %s goes to the dead letters as it came', async (_, body) => {
    const handled: Message[] = [];
    await queues.start((message) => Promise.resolve(void handled.push(message)));
    await queues.publish(body);
    expect(await queues.deadLetter()).toBe(body);
    expect(handled).toEqual([]);
  });
});

describe('failures', () => {
  test('a message whose handler fails is tried again after the delay', async () => {
    const attempts: number[] = [];
    const times: number[] = [];
    await queues.start((_, { attempt }) => {
      attempts.push(attempt);
      times.push(performance.now());
      return attempt < 3 ? Promise.reject(new Error('not yet')) : Promise.resolve();
    });
    await queues.publish({ id: 'late', text: '' });
    await eventually('the third attempt', () => attempts.length === 3);
    expect(attempts).toEqual([1, 2, 3]);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(190);
  });

  test('a message that fails every time is dead after its last attempt', async () => {
    let attempts = 0;
    await queues.start(() => Promise.reject(new Error(`no ${++attempts}`)));
    await queues.publish({ id: 'never', text: '' });
    expect(await queues.deadLetter()).toBe('{"id":"never","text":""}');
    expect(attempts).toBe(3);
  });

  test('a worker that stops tells its handler, and another one does the work', async () => {
    let aborted = false;
    let begun = false;
    const first = await queues.start(async (_, { signal }) => {
      begun = true;
      await once(signal, 'abort');
      aborted = true;
      throw new Error('stopped');
    });
    await queues.publish({ id: 'moved', text: '' });
    await eventually('the work begins', () => begun);
    await first.stop();
    expect(aborted).toBe(true);
    const attempts: number[] = [];
    await queues.start((_, { attempt }) => Promise.resolve(void attempts.push(attempt)));
    await eventually('another worker has it', () => attempts.length === 1);
    expect(attempts).toEqual([1]);
  });

  test('a queue that was deleted is declared again', async () => {
    const { port } = await queues.start(() => Promise.resolve());
    const isReady = async (): Promise<boolean> =>
      (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
    await eventually('it is ready', isReady);
    await queues.deleteQueue();
    await eventually('it notices', async () => !(await isReady()));
    await eventually('it is ready again', isReady);
  });

  test('a worker whose broker is away lives, and says that it is not ready', async () => {
    const rabbitmq = { ...queues.settings.rabbitmq, port: 1 };
    const { port } = await queues.start(() => Promise.resolve(), { rabbitmq });
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503);
  });
});
