import { addAbortListener, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from './broker.ts';
import type { Database } from './database.ts';
import { Cancelled, describe, JobError, LeaseLost, Stopping } from './errors.ts';
import type { JobResult } from './job.ts';
import type { Claim, JobRepository } from './job-repository.ts';
import { findJobType, type JobType } from './job-types.ts';
import { Lease } from './lease.ts';
import type { Logger } from './logger.ts';
import { backoffSeconds, untilDatabaseAnswers } from './retry.ts';
import type { Storage } from './storage.ts';
import { markFailed } from './tracing.ts';

/** How long a handler may take to end once its signal is aborted; then it is left alone. */
const ABORT_MS = 2000;

export interface RunnerOptions {
  readonly types: ReadonlyMap<string, JobType>;
  readonly repository: JobRepository;
  readonly database: Database;
  readonly storage: Storage;
  readonly leaseSeconds: number;
  /** Aborted when no further job is to be claimed. */
  readonly draining: AbortSignal;
  /** Aborted when running jobs are to be put back. */
  readonly stopping: AbortSignal;
}

/** A claimed job with all that one attempt at it needs. */
interface Attempt {
  readonly claim: Claim;
  readonly lease: Lease;
  readonly headers: object;
  readonly logger: Logger;
}

/** Runs one attempt of a job, from claim to outcome. */
export class JobRunner {
  readonly #options: RunnerOptions;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** @param headers go with the message of a further attempt: its trace context. */
  async run(jobId: string, headers: object, log: Logger): Promise<Outcome> {
    const { repository, leaseSeconds, draining, stopping } = this.#options;
    const claim = await untilDatabaseAnswers(() => repository.claim(jobId), draining, log);
    if (!claim) {
      log.info('job.not_claimable');
      return 'ack';
    }
    const logger = log.child({ attempt: claim.attempt });
    logger.info('job.claimed');
    const lease = new Lease(repository, claim, leaseSeconds, logger);
    const stopListener = addAbortListener(stopping, () => {
      lease.end(new Stopping());
    });
    try {
      return await this.#perform({ claim, lease, headers, logger });
    } finally {
      stopListener[Symbol.dispose]();
    }
  }

  async #perform(attempt: Attempt): Promise<Outcome> {
    const { lease } = attempt;
    try {
      const result = await Promise.race([this.#handle(attempt), abandoned(lease.signal)]);
      await lease.stop();
      return await this.#succeed(attempt, result);
    } catch (error) {
      await lease.stop();
      return lease.signal.aborted ? this.#abort(attempt) : this.#fail(attempt, error);
    }
  }

  async #handle({ claim, lease, logger }: Attempt): Promise<JobResult | null> {
    lease.signal.throwIfAborted();
    const { types, database, storage } = this.#options;
    const { handle, validate } = findJobType(types, claim.type);
    return handle({
      jobId: claim.id,
      attempt: claim.attempt,
      params: validate(claim.params),
      signal: lease.signal,
      progress: (done, total) => (lease.progress = { done, total }),
      database,
      storage,
      logger,
    });
  }

  async #succeed(attempt: Attempt, result: JobResult | null): Promise<Outcome> {
    const { claim, lease, logger } = attempt;
    const recorded = await this.#record(attempt, 'job.succeeded', (repository) =>
      repository.succeed(claim, result, lease.progress),
    );
    if (recorded === 'lost' && result) {
      await this.#options.storage.remove(result.key).catch((error: unknown) => {
        logger.warn({ err: error, key: result.key }, 'job.object_left');
      });
    }
    return 'ack';
  }

  async #abort(attempt: Attempt): Promise<Outcome> {
    const { claim, lease, headers, logger } = attempt;
    const reason: unknown = lease.signal.reason;
    if (reason instanceof LeaseLost) logger.warn('job.lease_lost');
    if (reason instanceof Cancelled) {
      await this.#record(attempt, 'job.cancelled', (repository) => repository.cancel(claim));
    }
    if (reason instanceof Stopping) {
      await this.#record(attempt, 'job.put_back', (repository) =>
        repository.requeue(claim, null, 0, headers),
      );
    }
    return 'ack';
  }

  async #fail(attempt: Attempt, error: unknown): Promise<Outcome> {
    const { claim, headers, logger } = attempt;
    const text = describe(error);
    logger.error({ err: error }, 'job.attempt_failed');
    markFailed(text, error);
    const permanent = error instanceof JobError && error.permanent;
    if (!permanent && claim.attempt < claim.maxAttempts) {
      await this.#record(attempt, 'job.retried', (repository) =>
        repository.requeue(claim, text, backoffSeconds(claim.attempt), headers),
      );
      return 'ack';
    }
    const recorded = await this.#record(attempt, 'job.failed', (repository) =>
      repository.fail(claim, text),
    );
    return recorded === 'recorded' ? 'reject' : 'ack';
  }

  /** `unknown`: the database is away and the worker stops; the sweeper revives the job. */
  async #record(
    { logger }: Attempt,
    event: string,
    change: (repository: JobRepository) => Promise<boolean>,
  ): Promise<'recorded' | 'lost' | 'unknown'> {
    const { repository, stopping } = this.#options;
    try {
      const held = await untilDatabaseAnswers(() => change(repository), stopping, logger);
      logger.info(held ? event : 'job.lease_lost');
      return held ? 'recorded' : 'lost';
    } catch (error) {
      logger.error({ err: error }, 'job.not_recorded');
      return 'unknown';
    }
  }
}

/** Rejects 2 s after `signal` is aborted, so that a handler which ignores it holds up nothing. */
async function abandoned(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  await sleep(ABORT_MS, undefined, { ref: false });
  throw new Error('The handler ignored its abort signal.');
}
