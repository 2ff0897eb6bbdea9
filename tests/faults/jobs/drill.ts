import { setTimeout as sleep } from 'node:timers/promises';
import type { JobHandler } from '../../../services/worker/src/job.ts';

interface Drill {
  does: 'throw' | 'crash' | 'last';
  seconds?: number;
}

/** A job that always throws, takes its worker with it, or lasts. */
export const handle: JobHandler<Drill> = async ({ params, signal }) => {
  if (params.does === 'throw') throw new Error('This job always throws.');
  if (params.does === 'crash') process.kill(process.pid, 'SIGKILL');
  await sleep((params.seconds ?? 0) * 1000, undefined, { signal });
  return null;
};
