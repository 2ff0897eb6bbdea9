import { queryOptions } from '@tanstack/react-query';
import { listSessions } from '@/client';

export const sessionsQuery = queryOptions({
  queryKey: ['sessions'],
  queryFn: ({ signal }) => listSessions({ signal }),
});
