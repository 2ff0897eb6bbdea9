import { QueryClientProvider } from '@tanstack/react-query';
import {
  createMemoryHistory,
  createRootRoute,
  createRouter,
  RouterContextProvider,
} from '@tanstack/react-router';
import { render } from '@testing-library/react';
import { type ReactNode, Suspense } from 'react';
import type { Me } from '@/client';
import { meQuery } from '@/lib/me';
import { createQueryClient } from '@/lib/query';

/** Renders a part of the page that has links in it. */
export function renderWithLinks(children: ReactNode) {
  const router = createRouter({ routeTree: createRootRoute(), history: createMemoryHistory() });
  render(<RouterContextProvider router={router}>{children}</RouterContextProvider>);
  return router;
}

/** Renders a part of the page as `me` sees it. */
export function renderAs(me: Me, children: ReactNode) {
  const queryClient = createQueryClient();
  queryClient.setQueryData(meQuery.queryKey, me);
  renderWithLinks(
    <QueryClientProvider client={queryClient}>
      <Suspense>{children}</Suspense>
    </QueryClientProvider>,
  );
  return queryClient;
}
