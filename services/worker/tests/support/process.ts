import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { eventually } from './poll.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A worker as it runs in production: `node src/main.ts`. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly exited: Promise<number | null>;
  /** Log lines so far. */
  readonly lines: Record<string, unknown>[] = [];
  stderr = '';

  constructor(env: NodeJS.ProcessEnv) {
    this.#child = spawn(process.execPath, ['src/main.ts'], { cwd: ROOT, env });
    this.exited = once(this.#child, 'exit').then(([code]) => code as number | null);
    if (!this.#child.stdout) throw new Error('no output');
    createInterface(this.#child.stdout).on('line', (line) => {
      this.lines.push(JSON.parse(line) as Record<string, unknown>);
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Processes that it started and that still run. */
  get children(): number[] {
    const list = `/proc/${this.pid}/task/${this.pid}/children`;
    return readFileSync(list, 'utf8').split(' ').filter(Boolean).map(Number).filter(isAlive);
  }

  /** The first log line of an event, once it was written. */
  logged(event: string): Record<string, unknown> | undefined {
    return this.lines.find((line) => line.event === event);
  }

  /** The answer of the health endpoint; nothing until it listens. */
  async health(path: string): Promise<{ status: number; body: unknown } | undefined> {
    const port = this.logged('worker.started')?.port;
    if (typeof port !== 'number') return undefined;
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, body: await response.json() };
  }

  async ready(seconds = 15): Promise<void> {
    await eventually(
      'the worker is ready',
      async () => (await this.health('/readyz'))?.status === 200,
      seconds,
    );
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

/** Whether a process runs; a zombie does not. */
export function isAlive(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  return existsSync(file) && !/\) [ZX] /.test(readFileSync(file, 'utf8'));
}
