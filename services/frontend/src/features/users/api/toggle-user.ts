import { useMutation, useQueryClient } from '@tanstack/react-query';
import { activateUser, deactivateUser, type UserOut } from '@/client';
import { usersKey } from './list-users';

/** Deactivates an active user, and the other way round. */
export function useToggleUser({ id, is_active }: UserOut) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: () =>
      is_active
        ? deactivateUser({ path: { user_id: id } })
        : activateUser({ path: { user_id: id } }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: usersKey }),
  });
}
