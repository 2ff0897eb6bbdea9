import { queryOptions, useSuspenseQuery } from '@tanstack/react-query';
import { getMe, type Me, type Permission } from '@/client';

/** Who is signed in, and what they may do. */
export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => getMe({ signal }),
  staleTime: 60_000,
});

export function useMe(): Me {
  return useSuspenseQuery(meQuery).data;
}

/** Whether the signed-in user holds `permission` (`user:write`). */
export function useMay(permission: Permission): boolean {
  return useMe().permissions.includes(permission);
}
