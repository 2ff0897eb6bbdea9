import type { JobOut } from '@/client';
import { ErrorAlert } from '@/components/notice';
import { Button } from '@/components/button';
import { useMay } from '@/lib/me';
import { useCancelJob } from '../api/cancel-job';
import { useDownloadJob } from '../api/download-job';
import { useRetryJob } from '../api/retry-job';

/** The buttons that fit the job's state and the user's permissions. */
export function JobActions({ job }: { job: JobOut }) {
  const mayChange = useMay('export:create');
  if (job.status === 'succeeded') return job.expired ? null : <Download job={job} />;
  if (!mayChange) return null;
  const isOpen = job.status === 'queued' || job.status === 'running';
  return isOpen ? <Cancel job={job} /> : <Retry job={job} />;
}

function Download({ job }: { job: JobOut }) {
  const download = useDownloadJob(job.id);
  return (
    <Action action={download} look="primary">
      Download
    </Action>
  );
}

function Cancel({ job }: { job: JobOut }) {
  const cancel = useCancelJob(job.id);
  return (
    <Action action={cancel} disabled={job.cancel_requested}>
      Cancel
    </Action>
  );
}

function Retry({ job }: { job: JobOut }) {
  const retry = useRetryJob(job.id);
  return <Action action={retry}>Retry</Action>;
}

type ActionProps = Pick<React.ComponentProps<typeof Button>, 'look' | 'disabled' | 'children'> & {
  action: { mutate: () => void; isPending: boolean; error: unknown };
};

function Action({ action, ...button }: ActionProps) {
  return (
    <div className="grid justify-items-start gap-3">
      <Button busy={action.isPending} onClick={() => action.mutate()} {...button} />
      <ErrorAlert error={action.error} />
    </div>
  );
}
