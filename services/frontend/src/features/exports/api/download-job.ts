import { useMutation } from '@tanstack/react-query';
import { downloadJob } from '@/client';

/** Asks for a link that works without the access token, and lets the browser download from it. */
export function useDownloadJob(id: string) {
  return useMutation({
    mutationFn: () =>
      downloadJob({ path: { job_id: id }, headers: { Accept: 'application/json' } }),
    onSuccess: ({ url }) => {
      const link = document.createElement('a');
      link.href = url;
      link.download = '';
      link.click();
    },
  });
}
