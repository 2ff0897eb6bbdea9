import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..');
let child: ChildProcess;

function start(env: NodeJS.ProcessEnv): ChildProcess {
  child = spawn(process.execPath, ['src/main.ts'], {
    cwd: ROOT,
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0', RABBITMQ_ADDRESS: '127.0.0.1:1', ...env },
  });
  return child;
}

afterEach(() => {
  child.kill('SIGKILL');
});

test('it writes JSON lines, and stops at once when told, also without a broker', async () => {
  const { stdout, stderr } = start({});
  if (!stdout || !stderr) throw new Error('no output');
  const errors = text(stderr);
  const output: string[] = [];
  stdout.on('data', (chunk: Buffer) => {
    output.push(chunk.toString());
    if (output.join('').includes('worker.started')) child.kill('SIGTERM');
  });
  expect(await once(child, 'close')).toEqual([0, null]);
  const events = output
    .join('')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { event: string }).event);
  // Not the last one: a full pipe lets later lines pass.
  expect(events).toContain('worker.stopped');
  expect(await errors).toBe('');
});

test('settings that are missing or wrong end the start with one line that names them all', async () => {
  const { stderr } = start({
    RABBITMQ_ADDRESS: 'nowhere',
    RABBITMQ_DEFAULT_PASS: '<random 32>',
    PORT: 'x',
  });
  if (!stderr) throw new Error('no output');
  const errors = text(stderr);
  expect(await once(child, 'close')).toEqual([1, null]);
  expect((await errors).trim()).toBe(
    'The environment is not complete: PORT must be a number from 0 to 65535; ' +
      'RABBITMQ_ADDRESS must be host:port; RABBITMQ_DEFAULT_PASS still holds a placeholder. ' +
      'Try: ./gp secrets check',
  );
});
