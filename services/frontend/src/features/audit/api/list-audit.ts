import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query';
import { type Event, listAuditEvents } from '@/client';

/** Pages of what happened, newest first; all, or one kind of `event`. */
export function auditQuery(event: Event | undefined) {
  return infiniteQueryOptions({
    queryKey: ['audit', event],
    queryFn: ({ pageParam, signal }) =>
      listAuditEvents({ query: { event, limit: 50, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}
