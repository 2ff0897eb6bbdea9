import type { InfiniteData, QueryClient } from '@tanstack/react-query';
import type { JobOut, JobPage } from '@/client';
import { jobsQuery } from './list-jobs';

/** Puts the newest state of a job into the list: in its place, or on top when it is new. */
export function putJob(queryClient: QueryClient, job: JobOut): void {
  const { queryKey } = jobsQuery;
  // A list that is on its way may be older than this job: ask for it anew.
  if (queryClient.isFetching({ queryKey }) > 0) void queryClient.invalidateQueries({ queryKey });
  queryClient.setQueryData(queryKey, (list) => list && withJob(list, job));
}

type Jobs = InfiniteData<JobPage>;

function withJob(list: Jobs, job: JobOut): Jobs {
  const isKnown = list.pages.some(({ items }) => items.some(({ id }) => id === job.id));
  const pages = list.pages.map((page, index) => {
    if (isKnown)
      return { ...page, items: page.items.map((old) => (old.id === job.id ? job : old)) };
    return index === 0 ? { ...page, items: [job, ...page.items] } : page;
  });
  return { ...list, pages };
}
