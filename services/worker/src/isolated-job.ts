import { Database } from './database.ts';
import { describe, JobError } from './errors.ts';
import type { JobContext, JobResult } from './job.ts';
import { findJobType, loadJobTypes } from './job-types.ts';
import { createLogger } from './logger.ts';
import type { Settings } from './settings.ts';
import { Storage } from './storage.ts';
import { continueTrace, startTelemetry } from './tracing.ts';

/*
 * The program of a process that does one attempt at a job, for the worker that started it
 * (isolation.ts), and ends. It tells and is told everything by messages; secrets come that way, too.
 */

const PROGRESS_MS = 100;

export interface Assignment {
  readonly settings: Settings;
  readonly type: string;
  readonly task: Pick<JobContext<unknown>, 'jobId' | 'attempt' | 'claim' | 'params'>;
  /** What each line of the log holds. */
  readonly bindings: Record<string, unknown>;
  /** The trace that this goes on. */
  readonly headers: Record<string, string>;
}

/** How far it is, or how it ended. */
export interface Report {
  readonly progress?: [done: number, total: number];
  readonly result?: JobResult | null;
  readonly failure?: Failure;
}

/** A JobError that can be sent. */
export interface Failure {
  /** Words for people. */
  readonly text: string;
  readonly permanent: boolean;
  readonly outage: boolean;
  readonly name: string;
  readonly stack: string | undefined;
  readonly code: string | undefined;
}

const aborted = new AbortController();

async function perform(assignment: Assignment): Promise<void> {
  const { settings, type, task, bindings, headers } = assignment;
  const logger = createLogger(settings.logLevel).child(bindings);
  const stopTelemetry = await startTelemetry(settings, logger);
  const database = new Database(settings, logger);
  const storage = new Storage(settings);
  let progress: Report['progress'];
  const tellProgress = () => {
    if (progress) report({ progress });
    progress = undefined;
  };
  setInterval(tellProgress, PROGRESS_MS);
  try {
    const types = await loadJobTypes(settings.jobsDirectory, settings.contractsDirectory);
    const result = await continueTrace(headers, () =>
      findJobType(types, type).handle({
        ...task,
        signal: aborted.signal,
        progress: (done, total) => (progress = [done, total]),
        database,
        storage,
        logger,
      }),
    );
    tellProgress();
    report({ result });
  } catch (error) {
    report({ failure: toFailure(error) });
  }
  await Promise.allSettled([stopTelemetry(), database.close()]);
}

function toFailure(error: unknown): Failure {
  const { permanent = false, outage = false } = error instanceof JobError ? error : {};
  const { name, stack, code }: NodeJS.ErrnoException =
    error instanceof Error ? error : new Error(String(error));
  return { text: describe(error), permanent, outage, name, stack, code };
}

function report(message: Report): void {
  process.send?.(message);
}

// The worker says when to end, and its own end is this one's, too.
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(1));
process.on('message', (message: Assignment | 'abort') => {
  if (message === 'abort') aborted.abort();
  else void perform(message).then(() => process.exit(0));
});
