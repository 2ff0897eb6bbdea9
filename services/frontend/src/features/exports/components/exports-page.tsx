import { useInfiniteQuery } from '@tanstack/react-query';
import { ErrorAlert, Notice } from '@/components/notice';
import { LoadMore } from '@/components/load-more';
import { Card, Empty, Loading, Page } from '@/components/page';
import { connection } from '@/lib/events';
import { useMay } from '@/lib/me';
import { useStore } from '@/lib/store';
import { jobsQuery } from '../api/list-jobs';
import { ExportTabs } from './export-tabs';
import { JobCard } from './job-card';
import { StartExportForm } from './start-export-form';

export function ExportsPage() {
  const mayCreate = useMay('export:create');
  const isInterrupted = useStore(connection, (state) => state === 'interrupted');
  return (
    <Page title="Exports">
      <ExportTabs />
      {mayCreate && (
        <Card>
          <StartExportForm />
        </Card>
      )}
      {isInterrupted && (
        <Notice tone="warning" role="status">
          Live progress is interrupted. Connecting again…
        </Notice>
      )}
      <JobList />
    </Page>
  );
}

function JobList() {
  const jobs = useInfiniteQuery(jobsQuery);
  const retry = () => void jobs.refetch();
  if (jobs.isPending) return <Loading />;
  if (!jobs.data) return <ErrorAlert error={jobs.error} onRetry={retry} />;
  const list = jobs.data.pages.flatMap((page) => page.items);
  return (
    <>
      <ErrorAlert error={jobs.error} onRetry={retry} />
      {list.length === 0 && <Empty>No exports yet.</Empty>}
      <ul aria-label="Exports" className="grid gap-4">
        {list.map((job) => (
          <li key={job.id}>
            <JobCard job={job} />
          </li>
        ))}
      </ul>
      <LoadMore query={jobs} />
    </>
  );
}
