import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { JobOut } from '@/client';
import { Card, Empty, Page } from '@/components/page';
import { Pages } from '@/components/pages';
import { deadJobsQuery } from '../api/dead-jobs';
import { ExportTabs } from './export-tabs';
import { FailedJob } from './failed-job';
import { FailedJobsActions } from './failed-jobs-actions';

export function FailedJobsPage() {
  return (
    <Page title="Failed jobs">
      <ExportTabs />
      <FailedJobs />
    </Page>
  );
}

function FailedJobs() {
  const jobs = useInfiniteQuery(deadJobsQuery);
  return <Pages query={jobs}>{(items) => <FailedJobList jobs={items} />}</Pages>;
}

function FailedJobList({ jobs }: { jobs: JobOut[] }) {
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  // Those that are gone from the list are gone from the choice.
  const selected = jobs.filter(({ id }) => marked.has(id)).map(({ id }) => id);
  const select = (ids: string[], on: boolean) =>
    setMarked(new Set(on ? [...selected, ...ids] : selected.filter((id) => !ids.includes(id))));
  return (
    <>
      <FailedJobsActions all={jobs.map(({ id }) => id)} selected={selected} onSelect={select} />
      {jobs.length === 0 ? (
        <Empty>No job has failed for good.</Empty>
      ) : (
        <ul aria-label="Failed jobs" className="grid gap-4">
          {jobs.map((job) => (
            <li key={job.id}>
              <Card>
                <FailedJob
                  job={job}
                  isSelected={marked.has(job.id)}
                  onSelect={(on) => select([job.id], on)}
                />
              </Card>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
