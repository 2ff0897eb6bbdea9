import { setTimeout as sleep } from 'node:timers/promises';
import { Cancelled, LeaseLost, type Stopping, type TimedOut } from './errors.ts';
import type { JobRepository, Progress } from './job-repository.ts';
import type { Logger } from './logger.ts';
import { untraced } from './tracing.ts';

const TICK_MS = 250;
/** So soon a job hears that it was cancelled. */
const HEARTBEAT_MS = 1000;

/** How long a handler may take to end once its signal is aborted; then it is left alone. */
export const ABORT_MS = 2000;

/**
 * Holds the lease of a running job: extends it while the job runs and writes its progress, both in
 * one statement. Its signal tells the job to end.
 */
export class Lease {
  /** Written down with the next extension. */
  progress: Progress = { done: 0, total: null };
  readonly #repository: JobRepository;
  readonly #id: string;
  readonly #token: string;
  readonly #leaseMs: number;
  readonly #logger: Logger;
  readonly #ended = new AbortController();
  readonly #stopped = new AbortController();
  #written: Progress = { done: 0, total: null };
  #extendedAt = performance.now();
  readonly #loop: Promise<void>;

  constructor(
    repository: JobRepository,
    id: string,
    token: string,
    leaseSeconds: number,
    logger: Logger,
  ) {
    this.#repository = repository;
    this.#id = id;
    this.#token = token;
    this.#leaseMs = leaseSeconds * 1000;
    this.#logger = logger;
    this.#loop = untraced(() => this.#hold());
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Aborts the signal: the job is to end, for this reason. */
  end(reason: Cancelled | LeaseLost | Stopping | TimedOut): void {
    this.#ended.abort(reason);
  }

  /** Ends the extending; resolves when nothing of it is under way. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
  }

  async #hold(): Promise<void> {
    while (!this.#stopped.signal.aborted && !this.#ended.signal.aborted) {
      await sleep(TICK_MS, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
      if (this.#isDue()) await this.#extend();
    }
  }

  #isDue(): boolean {
    if (this.#stopped.signal.aborted) return false;
    const { done, total } = this.progress;
    if (done !== this.#written.done || total !== this.#written.total) return true;
    return performance.now() - this.#extendedAt >= Math.min(HEARTBEAT_MS, this.#leaseMs / 4);
  }

  async #extend(): Promise<void> {
    const sentAt = performance.now();
    const { progress } = this;
    try {
      const answer = await this.#repository.extend(this.#id, this.#token, progress);
      if (answer === 'lost') this.end(new LeaseLost());
      if (answer === 'cancel') this.end(new Cancelled());
      this.#extendedAt = sentAt;
      this.#written = progress;
    } catch (error) {
      this.#logger.warn({ err: error }, 'lease.not_extended');
      // Another worker may have the job by now: the lease ran out although nobody said so.
      if (performance.now() - this.#extendedAt > this.#leaseMs) this.end(new LeaseLost());
    }
  }
}
