import { useMutation } from '@tanstack/react-query';
import { changePassword, type PasswordChange } from '@/client';
import { session } from '@/lib/session';

/** The API ends every session of the user, this one included. */
export function useChangePassword() {
  return useMutation({
    mutationFn: (body: PasswordChange) => changePassword({ body }),
    onSuccess: () => session.end('password-changed'),
  });
}
