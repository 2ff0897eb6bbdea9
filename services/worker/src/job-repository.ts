import type { Pool } from 'pg';
import type { JobResult } from './job.ts';
import { ROUTING_KEY } from './topology.ts';

/*
 * States of a job, as far as the worker moves them. PostgreSQL is the truth.
 *
 * | from                           | to        | by        | when                                    |
 * | ------------------------------ | --------- | --------- | --------------------------------------- |
 * | queued, or running and expired | running   | claim     | attempts are left; attempts + 1         |
 * | running                        | running   | extend    | the lease is held; says how far it is   |
 * | running                        | succeeded | succeed   | the handler resolved                    |
 * | running                        | cancelled | cancel    | the handler ended on a cancel request   |
 * | running                        | queued    | requeue   | the attempt failed, or the worker stops |
 * | running, cancel requested      | cancelled | requeue   | as above                                |
 * | running                        | failed    | fail      | the last attempt or permanently failed  |
 *
 * Every change but the claim is fenced: it holds only while `lease_token` is the claim's own.
 * All return false, and change nothing, once another worker or the sweeper has taken the job.
 */

export interface Claim {
  readonly id: string;
  readonly type: string;
  readonly params: unknown;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly cancelRequested: boolean;
  readonly leaseToken: string;
}

export interface Progress {
  readonly done: number;
  readonly total: number | null;
}

export class JobRepository {
  readonly #pool: Pool;
  readonly #leaseSeconds: number;

  constructor(pool: Pool, leaseSeconds: number) {
    this.#pool = pool;
    this.#leaseSeconds = leaseSeconds;
  }

  /** Undefined where the job is gone, finished, out of attempts or leased by another worker. */
  async claim(id: string): Promise<Claim | undefined> {
    const { rows } = await this.#pool.query<Claim>(
      `UPDATE jobs SET status = 'running', attempts = attempts + 1,
         lease_token = gen_random_uuid(), lease_expires_at = now() + make_interval(secs => $2),
         started_at = coalesce(started_at, now()), progress_done = 0, error = NULL
       WHERE id = $1 AND attempts < max_attempts
         AND (status = 'queued' OR (status = 'running' AND lease_expires_at < now()))
       RETURNING id, type, params, attempts AS attempt, max_attempts AS "maxAttempts",
         cancel_requested AS "cancelRequested", lease_token AS "leaseToken"`,
      [id, this.#leaseSeconds],
    );
    return rows[0];
  }

  /** Extends the lease and writes the progress; also tells whether a cancel was requested. */
  async extend(claim: Claim, { done, total }: Progress): Promise<'held' | 'cancel' | 'lost'> {
    const { rows } = await this.#pool.query<{ cancel_requested: boolean }>(
      `UPDATE jobs SET lease_expires_at = now() + make_interval(secs => $3),
         progress_done = $4, progress_total = $5
       WHERE id = $1 AND lease_token = $2 AND status = 'running'
       RETURNING cancel_requested`,
      [claim.id, claim.leaseToken, this.#leaseSeconds, done, total],
    );
    if (!rows[0]) return 'lost';
    return rows[0].cancel_requested ? 'cancel' : 'held';
  }

  /** May be repeated after a lost answer, so it keeps the token and accepts its own success. */
  async succeed(claim: Claim, result: JobResult | null, { done, total }: Progress) {
    return this.#change(
      `UPDATE jobs SET status = 'succeeded', result = $3, progress_done = $4, progress_total = $5,
         error = NULL, lease_expires_at = NULL, finished_at = coalesce(finished_at, now())
       WHERE id = $1 AND lease_token = $2 AND status IN ('running', 'succeeded')`,
      [claim.id, claim.leaseToken, result, done, total],
    );
  }

  async fail(claim: Claim, error: string): Promise<boolean> {
    return this.#end(claim, 'failed', error);
  }

  async cancel(claim: Claim): Promise<boolean> {
    return this.#end(claim, 'cancelled', null);
  }

  /**
   * Puts the job back with a message in the outbox, to be sent after `delaySeconds`. Without an
   * error the attempt does not count.
   */
  async requeue(claim: Claim, error: string | null, delaySeconds: number, headers: object) {
    return this.#change(
      `WITH job AS (
         UPDATE jobs SET error = $3, lease_token = NULL, lease_expires_at = NULL,
           status = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END,
           finished_at = CASE WHEN cancel_requested THEN now() END,
           attempts = attempts - CASE WHEN $3::text IS NULL THEN 1 ELSE 0 END,
           enqueued_at = now() + make_interval(secs => $4)
         WHERE id = $1 AND lease_token = $2 AND status = 'running'
         RETURNING id, type, status, enqueued_at
       ), message AS (
         INSERT INTO outbox (job_id, routing_key, message, headers, available_at)
         SELECT id, $5, jsonb_build_object('job_id', id, 'type', type), $6, enqueued_at
         FROM job WHERE status = 'queued'
       )
       SELECT FROM job`,
      [claim.id, claim.leaseToken, error, delaySeconds, ROUTING_KEY, headers],
    );
  }

  async #end(claim: Claim, status: 'failed' | 'cancelled', error: string | null) {
    return this.#change(
      `UPDATE jobs SET status = $3, error = $4, finished_at = now(),
         lease_token = NULL, lease_expires_at = NULL
       WHERE id = $1 AND lease_token = $2 AND status = 'running'`,
      [claim.id, claim.leaseToken, status, error],
    );
  }

  async #change(sql: string, values: unknown[]): Promise<boolean> {
    const { rowCount } = await this.#pool.query(sql, values);
    return rowCount === 1;
  }
}
