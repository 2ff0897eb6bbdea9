import type { Me } from '@/client';
import { meQuery } from '@/lib/me';
import { queryClient } from '@/lib/query';

/** Who is signed in; from the cache where possible. A module of its own, so that the sign-in page loads no Query. */
export function loadMe(): Promise<Me> {
  return queryClient.query({ ...meQuery, staleTime: 'static' });
}
