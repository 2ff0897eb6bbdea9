import { QueryClientProvider } from '@tanstack/react-query';
import { render } from '@testing-library/react';
import { type ReactNode, Suspense } from 'react';
import type { Me } from '@/client';
import { meQuery } from '@/lib/me';
import { createQueryClient } from '@/lib/query';

/** Renders a part of the page as `me` sees it. */
export function renderAs(me: Me, children: ReactNode) {
  const queryClient = createQueryClient();
  queryClient.setQueryData(meQuery.queryKey, me);
  render(
    <QueryClientProvider client={queryClient}>
      <Suspense>{children}</Suspense>
    </QueryClientProvider>,
  );
  return queryClient;
}
