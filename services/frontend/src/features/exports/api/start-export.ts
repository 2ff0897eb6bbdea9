import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ExportRequest, createExport } from '@/client';
import { putJob } from './put-job';

/** Starts an export; `key` is the same for repeated tries, so that they start one export only. */
export function useStartExport() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ params, key }: { params: ExportRequest; key: string }) =>
      createExport({ body: params, headers: { 'idempotency-key': key } }),
    onSuccess: (job) => putJob(queryClient, job),
  });
}
