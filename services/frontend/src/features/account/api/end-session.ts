import { useMutation, useQueryClient } from '@tanstack/react-query';
import { endSession } from '@/client';
import { sessionsQuery } from './list-sessions';

/** Signs out another device. One that is gone already is just as well: the new list tells. */
export function useEndSession() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => endSession({ path: { session_id: id } }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: sessionsQuery.queryKey }),
  });
}
