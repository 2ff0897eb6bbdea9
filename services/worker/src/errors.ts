import { DatabaseError } from 'pg';

interface JobErrorOptions extends ErrorOptions {
  readonly permanent?: boolean;
  readonly outage?: boolean;
}

/**
 * A failure of a job whose message people read in the job.
 * A permanent one would fail the same way again, so it is not retried.
 * An outage is nothing about this job: any other would fail now, too.
 */
export class JobError extends Error {
  override name = 'JobError';
  readonly permanent: boolean;
  readonly outage: boolean;

  constructor(message: string, options: JobErrorOptions = {}) {
    super(message, options);
    this.permanent = options.permanent ?? false;
    this.outage = options.outage ?? false;
  }
}

/** Why a running job was told to end; the reason of its abort signal. */
export class Cancelled extends Error {
  override name = 'Cancelled';
}
export class TimedOut extends Error {
  override name = 'TimedOut';
}
export class LeaseLost extends Error {
  override name = 'LeaseLost';
}
export class Stopping extends Error {
  override name = 'Stopping';
}

/**
 * The words for people: only those of a JobError are shown as they are, since any other message
 * may hold addresses or data.
 */
export function describe(error: unknown): string {
  if (error instanceof JobError) return error.message;
  if (isDatabaseAway(error)) return 'The database did not answer.';
  if (error instanceof DatabaseError) {
    return `The database refused a query (SQLSTATE ${error.code ?? 'unknown'}).`;
  }
  const kind = error instanceof Error ? error.name : typeof error;
  return `An unexpected error occurred (${kind}). The log of the worker tells more.`;
}

/** True where PostgreSQL could not be reached, was shut down, or had no connection left. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof DatabaseError) return /^(08|57P|53300)/.test(error.code ?? '');
  if (!(error instanceof Error)) return false;
  if ('syscall' in error || error instanceof AggregateError) return true;
  return /^(Connection terminated|Client has|Query read timeout|timeout exceeded)/.test(
    error.message,
  );
}
