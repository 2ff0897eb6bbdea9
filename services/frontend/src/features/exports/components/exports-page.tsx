import { useInfiniteQuery } from '@tanstack/react-query';
import { Notice } from '@/components/notice';
import { Card, Page } from '@/components/page';
import { Pages } from '@/components/pages';
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
  return (
    <Pages query={jobs} empty="No exports yet.">
      {(items) => (
        <ul aria-label="Exports" className="grid gap-4">
          {items.map((job) => (
            <li key={job.id}>
              <JobCard job={job} />
            </li>
          ))}
        </ul>
      )}
    </Pages>
  );
}
