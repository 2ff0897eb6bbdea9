import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
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
