import type { JobOut } from '@/client';
import { Notice } from '@/components/notice';
import { Badge } from '@/components/badge';
import { Card } from '@/components/page';
import { formatBytes, formatDate, formatDateTime, formatNumber } from '@/lib/format';
import { useMe } from '@/lib/me';
import { priorities, statuses, titleOf } from '../words';
import { JobActions } from './job-actions';
import { JobProgress } from './job-progress';

export function JobCard({ job }: { job: JobOut }) {
  const status = statuses[job.status];
  return (
    <Card>
      <div className="grid gap-4">
        <div className="flex flex-wrap items-center justify-between gap-4">
          <div className="grid gap-1">
            <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
              <h2 className="font-medium">{titleOf(job.params)}</h2>
              <Badge tone={status.tone}>{status.words}</Badge>
              {job.priority !== 'normal' && (
                <Badge tone="neutral">{priorities[job.priority]} priority</Badge>
              )}
            </div>
            <Facts job={job} />
          </div>
          <JobActions job={job} />
        </div>
        <JobProgress job={job} />
        {job.error && (
          <Notice tone={job.status === 'failed' ? 'danger' : 'warning'}>{job.error}</Notice>
        )}
      </div>
    </Card>
  );
}

function Facts({ job }: { job: JobOut }) {
  const isMine = useMe().id === job.requested_by;
  const facts = [
    `Requested ${formatDateTime(job.created_at)}${isMine ? '' : ' by somebody else'}`,
    job.result && `${formatNumber(job.result.rows)} rows`,
    job.result && formatBytes(job.result.bytes),
    fateOfFile(job),
  ];
  return <p className="text-muted text-sm">{facts.filter(Boolean).join(' · ')}</p>;
}

/** What becomes of the finished file: it is kept for some days. */
function fateOfFile({ expired, expires_at }: JobOut): string | null {
  if (expired) return 'file deleted';
  return expires_at && `file kept until ${formatDate(expires_at)}`;
}
