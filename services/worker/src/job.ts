import type { Database } from './database.ts';
import type { Logger } from './logger.ts';
import type { Storage } from './storage.ts';

/** What a handler gets. `params` are valid against contracts/jobs/TYPE.schema.json. */
export interface JobContext<Params> {
  readonly jobId: string;
  /** 1 on the first attempt. */
  readonly attempt: number;
  /** Larger each time the job is begun; the name of a file holds it, so that none is overwritten. */
  readonly claim: number;
  readonly params: Params;
  /** Aborted on cancel, time limit, lost lease and shutdown: then end within 2 s and leave nothing. */
  readonly signal: AbortSignal;
  /** Tells how far the job is, in any unit. Cheap: written down at most 4 times a second. */
  readonly progress: (done: number, total: number) => void;
  readonly database: Database;
  readonly storage: Storage;
  readonly logger: Logger;
}

/**
 * The file that a job made; kept in `jobs.result`. Its key is FOLDER/JOB/CLAIM/NAME: all of
 * FOLDER/JOB is deleted when the file expires.
 */
export interface JobResult {
  readonly key: string;
  readonly filename: string;
  readonly content_type: string;
  readonly rows: number;
  readonly bytes: number;
}

/**
 * Does one attempt of a job and resolves to the file it made, if any. Any error is retried with
 * backoff; throw a JobError for a message to people, a permanent one to fail at once.
 */
export type JobHandler<Params> = (context: JobContext<Params>) => Promise<JobResult | null>;
