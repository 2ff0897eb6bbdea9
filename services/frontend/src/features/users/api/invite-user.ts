import { useMutation } from '@tanstack/react-query';
import { inviteUser } from '@/client';

/** Mails the invitation again; the links of earlier ones no longer work. */
export function useInviteUser(id: string) {
  return useMutation({ mutationFn: () => inviteUser({ path: { user_id: id } }) });
}
