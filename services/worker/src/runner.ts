import { randomUUID } from 'node:crypto';
import { addAbortListener, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from './database.ts';
import { Cancelled, describe, JobError, LeaseLost, Stopping, TimedOut } from './errors.ts';
import type { JobResult } from './job.ts';
import type { Claim, JobRepository } from './job-repository.ts';
import { runIsolated } from './isolation.ts';
import { findJobType, type JobType } from './job-types.ts';
import { ABORT_MS, Lease } from './lease.ts';
import type { Logger } from './logger.ts';
import { untilDatabaseAnswers, untilStorageWorks } from './retry.ts';
import type { Settings } from './settings.ts';
import type { Storage } from './storage.ts';
import { markFailed } from './tracing.ts';

const NO_JOB_ERROR = { permanent: false, outage: false };

export interface RunnerOptions {
  readonly types: ReadonlyMap<string, JobType>;
  readonly repository: JobRepository;
  readonly database: Database;
  readonly storage: Storage;
  readonly settings: Settings;
  /** Aborted when no further job is to be claimed. */
  readonly draining: AbortSignal;
  /** Aborted when running jobs are to be put back. */
  readonly stopping: AbortSignal;
}

/** A claim that this worker holds. */
export type Held = Claim & { readonly token: string };

/** A claimed job with all that one attempt at it needs. */
interface Attempt {
  readonly claim: Held;
  readonly lease: Lease;
  readonly logger: Logger;
}

/** Runs one attempt of a job, from claim to outcome. */
export class JobRunner {
  readonly #options: RunnerOptions;
  /** An attempt failed by an outage: others would only use up theirs. */
  #outage = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** The job whose turn it is, if one is due. Waits for a database or a storage that is away. */
  async claim(logger: Logger): Promise<Held | undefined> {
    const { repository, storage, draining } = this.#options;
    if (this.#outage) {
      await untilStorageWorks(storage, draining, logger);
      this.#outage = false;
    }
    const token = randomUUID();
    const claim = await untilDatabaseAnswers(() => repository.claim(token), draining, logger);
    return claim && { ...claim, token };
  }

  /** Resolves once the outcome is recorded, or another worker has the job. */
  async run(claim: Held, logger: Logger): Promise<void> {
    const { repository, settings, stopping } = this.#options;
    logger.info('job.claimed');
    const lease = new Lease(repository, claim.id, claim.token, settings.leaseSeconds, logger);
    const stopListener = addAbortListener(stopping, () => {
      lease.end(new Stopping());
    });
    try {
      await this.#perform({ claim, lease, logger });
    } finally {
      stopListener[Symbol.dispose]();
    }
  }

  async #perform(attempt: Attempt): Promise<void> {
    const { lease } = attempt;
    try {
      const result = await Promise.race([this.#handle(attempt), abandoned(lease.signal)]);
      await lease.stop();
      await this.#succeed(attempt, result);
    } catch (error) {
      await lease.stop();
      await (lease.signal.aborted ? this.#abort(attempt) : this.#fail(attempt, error));
    }
  }

  async #handle({ claim, lease, logger }: Attempt): Promise<JobResult | null> {
    lease.signal.throwIfAborted();
    const { types, database, storage, settings } = this.#options;
    const { handle, validate, timeLimitSeconds } = findJobType(types, claim.type);
    const limit = setTimeout(() => {
      lease.end(new TimedOut(`The attempt took longer than ${inWords(timeLimitSeconds)}.`));
    }, timeLimitSeconds * 1000);
    try {
      const task = {
        jobId: claim.id,
        attempt: claim.attempt,
        claim: claim.claim,
        params: validate(claim.params),
      };
      const { signal } = lease;
      const progress = (done: number, total: number) => (lease.progress = { done, total });
      if (claim.isolated) {
        const bindings = logger.bindings();
        return await runIsolated({ settings, type: claim.type, task, bindings }, signal, progress);
      }
      return await handle({ ...task, signal, progress, database, storage, logger });
    } finally {
      clearTimeout(limit);
    }
  }

  async #succeed(attempt: Attempt, result: JobResult | null): Promise<void> {
    const { claim, lease, logger } = attempt;
    const recorded = await this.#record(logger, () =>
      this.#options.repository.succeed(claim.id, claim.token, result, lease.progress),
    );
    if (recorded) logger.info('job.succeeded');
    if (recorded !== false || !result) return;
    await this.#options.storage.remove(result.key).catch((error: unknown) => {
      logger.warn({ err: error, key: result.key }, 'job.object_left');
    });
  }

  async #abort(attempt: Attempt): Promise<void> {
    const { claim, lease, logger } = attempt;
    const { repository } = this.#options;
    const reason: unknown = lease.signal.reason;
    if (reason instanceof TimedOut) await this.#fail(attempt, new JobError(reason.message));
    if (reason instanceof LeaseLost) logger.warn('job.lease_lost');
    if (reason instanceof Cancelled) {
      const done = await this.#record(logger, () => repository.cancel(claim.id, claim.token));
      if (done) logger.info('job.cancelled');
    }
    if (reason instanceof Stopping) {
      const status = await this.#record(logger, () => repository.putBack(claim.id, claim.token));
      if (status) logger.info({ status }, 'job.put_back');
    }
  }

  async #fail(attempt: Attempt, error: unknown): Promise<void> {
    const { claim, logger } = attempt;
    const { repository } = this.#options;
    const text = describe(error);
    logger.error({ err: error }, 'job.attempt_failed');
    markFailed(text, error);
    const { permanent, outage } = error instanceof JobError ? error : NO_JOB_ERROR;
    if (outage) this.#outage = true;
    const status = await this.#record(logger, () =>
      repository.fail(claim.id, claim.token, text, permanent),
    );
    if (status) logger.info(status === 'queued' ? 'job.retried' : `job.${status}`);
  }

  /**
   * The answer of the database: nothing or false where the job is another worker's. Undefined where
   * the database is away and the worker stops; the sweeper revives the job then.
   */
  async #record<T>(logger: Logger, change: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await untilDatabaseAnswers(change, this.#options.stopping, logger);
      if (!answer) logger.info('job.lease_lost');
      return answer;
    } catch (error) {
      logger.error({ err: error }, 'job.not_recorded');
      return undefined;
    }
  }
}

/** Rejects 2 s after `signal` is aborted, so that a handler which ignores it holds up nothing. */
async function abandoned(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  await sleep(ABORT_MS, undefined, { ref: false });
  throw new Error('The handler ignored its abort signal.');
}

function inWords(seconds: number): string {
  if (seconds >= 120 && seconds % 60 === 0) return `${seconds / 60} minutes`;
  return seconds === 1 ? '1 second' : `${seconds} seconds`;
}
