import { setTimeout as sleep } from 'node:timers/promises';
import { Cancelled, LeaseLost, type Stopping } from './errors.ts';
import type { Claim, JobRepository, Progress } from './job-repository.ts';
import type { Logger } from './logger.ts';
import { untraced } from './tracing.ts';

const TICK_MS = 250;
/** Of 15 s that is every 4 s: three heartbeats may fail. */
const HEARTBEAT_SHARE = 4 / 15;

/**
 * Holds the lease of a running job: extends it while the job runs and writes its progress, both in
 * one statement. Its signal tells the job to end.
 */
export class Lease {
  /** Written down with the next extension. */
  progress: Progress = { done: 0, total: null };
  readonly #repository: JobRepository;
  readonly #claim: Claim;
  readonly #leaseMs: number;
  readonly #logger: Logger;
  readonly #ended = new AbortController();
  readonly #stopped = new AbortController();
  #written: Progress = { done: 0, total: null };
  #extendedAt = performance.now();
  readonly #loop: Promise<void>;

  constructor(repository: JobRepository, claim: Claim, leaseSeconds: number, logger: Logger) {
    this.#repository = repository;
    this.#claim = claim;
    this.#leaseMs = leaseSeconds * 1000;
    this.#logger = logger;
    if (claim.cancelRequested) this.end(new Cancelled());
    this.#loop = untraced(() => this.#hold());
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Aborts the signal: the job is to end, for this reason. */
  end(reason: Cancelled | LeaseLost | Stopping): void {
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
    return performance.now() - this.#extendedAt >= this.#leaseMs * HEARTBEAT_SHARE;
  }

  async #extend(): Promise<void> {
    const sentAt = performance.now();
    const { progress } = this;
    try {
      const answer = await this.#repository.extend(this.#claim, progress);
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
