import type { JobOut } from '@/client';
import { CheckField } from '@/components/field';
import { Notice } from '@/components/notice';
import { formatDateTime } from '@/lib/format';
import { titleOf } from '../words';

type Props = { job: JobOut; isSelected: boolean; onSelect: (on: boolean) => void };

/** A job that failed for good: what it was, how often it was tried, and why it failed. */
export function FailedJob({ job, isSelected, onSelect }: Props) {
  const tries = job.attempts === 1 ? '1 attempt' : `${job.attempts} attempts`;
  const failed = job.finished_at ? `Failed ${formatDateTime(job.finished_at)}` : 'Failed';
  return (
    <div className="grid gap-4">
      <CheckField
        label={titleOf(job.params)}
        hint={`${failed} after ${tries} · requested ${formatDateTime(job.created_at)}`}
        checked={isSelected}
        onChange={({ target }) => onSelect(target.checked)}
      />
      <Notice tone="danger">{job.error ?? 'No reason was given.'}</Notice>
    </div>
  );
}
