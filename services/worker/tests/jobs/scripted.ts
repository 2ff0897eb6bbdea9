import { once } from 'node:events';
import { JobError } from '../../src/errors.ts';
import type { JobHandler } from '../../src/job.ts';

export interface Script {
  failures?: number;
  permanent?: boolean;
  waits?: 'polite' | 'deaf';
  crash?: boolean;
}

export const timeLimitSeconds = 6;

/** Leaves a row in `effects`, then does what its parameters say. */
export const handle: JobHandler<Script> = async ({ jobId, attempt, params, signal, database }) => {
  await database.pool.query('INSERT INTO effects VALUES ($1, $2)', [jobId, attempt]);
  if (params.crash) process.kill(process.pid, 'SIGKILL');
  if (attempt <= (params.failures ?? 0)) {
    if (params.permanent) throw new JobError('The moon is full.', { permanent: true });
    throw new Error('password=hunter2');
  }
  if (params.waits === 'deaf') await once(new EventTarget(), 'never');
  if (params.waits !== 'polite') return null;
  await once(signal, 'abort');
  await database.pool.query('INSERT INTO effects VALUES ($1, 0)', [jobId]);
  throw signal.reason;
};
