import { useMutation } from '@tanstack/react-query';
import { logoutEverywhere } from '@/client';
import { session } from '@/lib/session';

/** Ends every session of the user, this one included. */
export function useSignOutEverywhere() {
  return useMutation({
    mutationFn: () => logoutEverywhere(),
    onSuccess: () => session.end('asked-everywhere'),
  });
}
