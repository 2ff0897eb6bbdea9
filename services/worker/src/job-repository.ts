import type { Pool } from 'pg';
import type { JobResult } from './job.ts';

/*
 * What the worker does to jobs: it calls functions of PostgreSQL, which hold the rules (migration
 * 0003 and later of the API; docs/services/worker-service.md has the table of states).
 *
 * Every call but the claim is fenced: it holds only while `token` is the one of the last claim.
 * Else it changes nothing: another worker or the sweeper has taken the job.
 */

export interface Claim {
  readonly id: string;
  readonly type: string;
  readonly params: unknown;
  /** Trace context of the request that asked for the job. */
  readonly headers: Record<string, string>;
  /** 1 on the first attempt. */
  readonly attempt: number;
  /** Larger in each claim of the job, even where an attempt is not counted. */
  readonly claim: number;
  /** It has lost a worker, and may end the next: it is to run in a process of its own. */
  readonly isolated: boolean;
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

  /** The job whose turn it is, if one is due; the same one again for the same token. */
  async claim(token: string): Promise<Claim | undefined> {
    const { rows } = await this.#pool.query<Claim>(
      `SELECT id, type, params, headers, attempts AS attempt, claims AS claim,
         worker_losses > 0 AS isolated
       FROM claim_job($1, $2)`,
      [token, this.#leaseSeconds],
    );
    return rows[0];
  }

  /** Extends the lease and writes the progress; also tells whether a cancel was requested. */
  async extend(id: string, token: string, { done, total }: Progress) {
    const values = [id, token, this.#leaseSeconds, done, total];
    return this.#call<'held' | 'cancel' | 'lost'>('extend_job($1, $2, $3, $4, $5)', values);
  }

  async succeed(id: string, token: string, result: JobResult | null, { done, total }: Progress) {
    const values = [id, token, result, done, total];
    return this.#call<boolean>('succeed_job($1, $2, $3, $4, $5)', values);
  }

  /** The job is queued again with backoff, or ends if attempts are used up; its status, if held. */
  async fail(id: string, token: string, reason: string, permanent: boolean) {
    const values = [id, token, reason, permanent];
    return this.#call<string | null>('fail_job($1, $2, $3, $4)', values);
  }

  /** Ends a job that was to be cancelled. */
  async cancel(id: string, token: string) {
    return this.#call<boolean>('cancel_job($1, $2)', [id, token]);
  }

  /** Queues the job again; the attempt does not count. */
  async putBack(id: string, token: string) {
    return this.#call<string | null>('put_back_job($1, $2)', [id, token]);
  }

  async #call<T>(call: string, values: unknown[]): Promise<T> {
    const { rows } = await this.#pool.query<{ answer: T }>(
      `SELECT answer FROM ${call} AS answer`,
      values,
    );
    if (!rows[0]) throw new Error(`${call} gave no answer`);
    return rows[0].answer;
  }
}
