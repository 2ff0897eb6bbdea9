import { QueryClient } from '@tanstack/react-query';
import { isUnreachable } from './problem';

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        networkMode: 'always',
        staleTime: 10_000,
        retry: (failures, error) => failures < 1 && isUnreachable(error),
      },
      mutations: { networkMode: 'always' },
    },
  });
}

export const queryClient = createQueryClient();
