import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Button } from './button';
import { ErrorAlert } from './notice';
import { Empty, Loading } from './page';

type Props<T> = {
  query: UseInfiniteQueryResult<InfiniteData<{ items: T[] }>>;
  /** What is said in place of an empty list; without it, `children` says so. */
  empty?: string;
  children: (items: T[]) => ReactNode;
};

/** The items of all pages that were fetched, and a button for the next. */
export function Pages<T>({ query, empty, children }: Props<T>) {
  const retry = () => void query.refetch();
  if (query.isPending) return <Loading />;
  if (!query.data) return <ErrorAlert error={query.error} onRetry={retry} />;
  const items = query.data.pages.flatMap((page) => page.items);
  return (
    <>
      <ErrorAlert error={query.error} onRetry={retry} />
      {empty && items.length === 0 ? <Empty>{empty}</Empty> : children(items)}
      {query.hasNextPage && (
        <div className="text-center">
          <Button busy={query.isFetchingNextPage} onClick={() => query.fetchNextPage()}>
            Load more
          </Button>
        </div>
      )}
    </>
  );
}
