import { useMutation } from '@tanstack/react-query';
import { logout } from '@/client';
import { ApiError } from '@/lib/problem';
import { session } from '@/lib/session';

/** Fails when the API can't be told: the browser would still hold the cookie of a living session. */
export function useSignOut() {
  return useMutation({
    mutationFn: revoke,
    onSuccess: () => session.end('asked'),
  });
}

async function revoke(): Promise<void> {
  try {
    await logout();
  } catch (error) {
    const alreadyOver = error instanceof ApiError && error.status === 401;
    if (!alreadyOver) throw error;
  }
}
