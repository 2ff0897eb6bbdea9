import { infiniteQueryOptions } from '@tanstack/react-query';
import { listJobs } from '@/client';

/** Pages of jobs, newest first; kept up to date by `followJobs`. */
export const jobsQuery = infiniteQueryOptions({
  queryKey: ['jobs'],
  queryFn: ({ pageParam, signal }) => listJobs({ query: { limit: 20, cursor: pageParam }, signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});
