import type { JobOut } from '@/client';
import { formatNumber } from '@/lib/format';
import { statuses, titleOf } from '../words';

/** Bar and words while a job is under way. Screen readers hear each change of state and each quarter. */
export function JobProgress({ job }: { job: JobOut }) {
  const isOpen = job.status === 'queued' || job.status === 'running';
  const { done, total } = job.progress;
  const share = total === null ? null : done / Math.max(total, 1);
  return (
    <div className={isOpen ? 'grid gap-2' : 'sr-only'}>
      {isOpen && (
        <>
          <progress
            aria-label={`Progress: ${titleOf(job.params)}`}
            max={1}
            value={job.status === 'running' && share !== null ? share : undefined}
          />
          <p className="text-muted text-sm tabular-nums">{wordsOf(job, share)}</p>
        </>
      )}
      <p role="status" className="sr-only">
        {titleOf(job.params)}: {statuses[job.status].words}
        {job.status === 'running' && share !== null && `, ${Math.floor(share * 4) * 25} percent`}
      </p>
    </div>
  );
}

function wordsOf({ status, cancel_requested, progress }: JobOut, share: number | null): string {
  if (cancel_requested) return 'Cancelling…';
  if (status === 'queued') return 'Waiting for a worker…';
  if (progress.total === null || share === null) return `${formatNumber(progress.done)} rows`;
  const rows = `${formatNumber(progress.done)} of ${formatNumber(progress.total)} rows`;
  return `${Math.floor(share * 100)} % · ${rows}`;
}
