import { useMutation, useQueryClient } from '@tanstack/react-query';
import { createUser, type UserCreate } from '@/client';
import { usersKey } from './list-users';

export function useCreateUser() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (body: UserCreate) => createUser({ body }),
    onSuccess: () => void queryClient.invalidateQueries({ queryKey: usersKey }),
  });
}
