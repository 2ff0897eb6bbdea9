import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { JobError } from './errors.ts';
import type { Assignment, Failure, Report } from './isolated-job.ts';
import type { JobContext, JobResult } from './job.ts';
import { ABORT_MS } from './lease.ts';
import { traceHeaders } from './tracing.ts';

const PROGRAM = join(import.meta.dirname, 'isolated-job.ts');

/**
 * Does one attempt in a process of its own: whatever ends that ends neither this worker nor the
 * jobs beside it. The attempt's own lease stays here.
 * @throws {JobError} the attempt's, or one that says how the process ended
 */
export async function runIsolated(
  assignment: Omit<Assignment, 'headers'>,
  signal: AbortSignal,
  progress: JobContext<unknown>['progress'],
): Promise<JobResult | null> {
  // The debugger of this process can't be that one's, too.
  const child = fork(PROGRAM, { execArgv: [] });
  const report = firstReport(child, progress);
  const abort = () => {
    child.send('abort', () => undefined);
    setTimeout(() => child.kill('SIGKILL'), ABORT_MS).unref();
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    // Where it has ended before it could listen, the report says so.
    child.send({ ...assignment, headers: traceHeaders() }, () => undefined);
    const { result, failure } = await report;
    if (failure) throw toJobError(failure);
    return result ?? null;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function firstReport(
  child: ChildProcess,
  progress: JobContext<unknown>['progress'],
): Promise<Report> {
  // Its last message may arrive after its exit, but not after the end of its channel.
  const ended = Promise.all([once(child, 'exit'), once(child, 'disconnect')]).then(() => {
    const how = child.signalCode ?? `exit code ${child.exitCode}`;
    throw new JobError(`The process of this job ended (${how}).`);
  });
  const reported = new Promise<Report>((resolve) => {
    child.on('message', (report: Report) => {
      if (report.progress) progress(...report.progress);
      if (report.result !== undefined || report.failure) resolve(report);
    });
  });
  return Promise.race([reported, ended]);
}

function toJobError({ text, permanent, outage, name, stack, code }: Failure): JobError {
  const error = new JobError(text, { permanent, outage });
  return Object.assign(error, { name, stack, ...(code !== undefined && { code }) });
}
