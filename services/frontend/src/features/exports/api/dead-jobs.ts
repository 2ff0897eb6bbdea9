import { infiniteQueryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { discardJob, listJobs, retryJob } from '@/client';
import { jobsQuery } from './list-jobs';

/** Pages of everybody's jobs that failed for good and were not discarded, newest first. */
export const deadJobsQuery = infiniteQueryOptions({
  queryKey: ['dead-jobs'],
  queryFn: ({ pageParam, signal }) =>
    listJobs({ query: { dead: true, limit: 50, cursor: pageParam }, signal }),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

/** Queues dead jobs anew. */
export function useReplayJobs(ids: string[]) {
  return useEach(ids, (id) => retryJob({ path: { job_id: id } }));
}

/** Gives dead jobs up: they are no longer shown. */
export function useDiscardJobs(ids: string[]) {
  return useEach(ids, (id) => discardJob({ path: { job_id: id } }));
}

/** Acts on one job after the other and stops at the first failure; the list then tells what is left. */
function useEach(ids: string[], act: (id: string) => Promise<unknown>) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: async () => {
      for (const id of ids) await act(id);
    },
    onSettled: () =>
      Promise.all(
        [deadJobsQuery, jobsQuery].map(({ queryKey }) =>
          queryClient.invalidateQueries({ queryKey }),
        ),
      ),
  });
}
