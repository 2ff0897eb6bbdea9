import { useMutation, useQueryClient } from '@tanstack/react-query';
import { retryJob } from '@/client';
import { putJob } from './put-job';

export function useRetryJob(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: () => retryJob({ path: { job_id: id } }),
    onSuccess: (job) => putJob(queryClient, job),
  });
}
