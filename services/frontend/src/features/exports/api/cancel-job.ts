import { useMutation, useQueryClient } from '@tanstack/react-query';
import { cancelJob } from '@/client';
import { putJob } from './put-job';

export function useCancelJob(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: () => cancelJob({ path: { job_id: id } }),
    onSuccess: (job) => putJob(queryClient, job),
  });
}
