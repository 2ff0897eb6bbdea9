import { useMutation, useQueryClient } from '@tanstack/react-query';
import { resetSecondFactor } from '@/client';
import { usersKey } from './list-users';

/** For somebody who lost their phone and their recovery codes. */
export function useResetSecondFactor(id: string) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: () => resetSecondFactor({ path: { user_id: id } }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: usersKey }),
  });
}
