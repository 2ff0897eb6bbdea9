import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query';
import { listUsers, type ListUsersData } from '@/client';

export type UserFilter = Pick<NonNullable<ListUsersData['query']>, 'q' | 'sort' | 'is_active'>;

export const usersKey = ['users'];

/** Pages of users; each page's cursor leads to the next. */
export function usersQuery(filter: UserFilter) {
  return infiniteQueryOptions({
    queryKey: [...usersKey, filter],
    queryFn: ({ pageParam, signal }) =>
      listUsers({ query: { ...filter, limit: 50, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}
