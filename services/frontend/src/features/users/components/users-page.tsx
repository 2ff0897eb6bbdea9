import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { ErrorAlert } from '@/components/notice';
import { Button } from '@/components/button';
import { LoadMore } from '@/components/load-more';
import { Empty, Loading, Page } from '@/components/page';
import { useMay } from '@/lib/me';
import { usersQuery } from '../api/list-users';
import { toFilter, type UserSearch } from '../search';
import { CreateUserDialog } from './create-user-dialog';
import { UserFilters } from './user-filters';
import { UserTable } from './user-table';

type Props = { search: UserSearch; onSearch: (change: UserSearch) => void };

export function UsersPage({ search, onSearch }: Props) {
  const [creating, setCreating] = useState(false);
  const mayWrite = useMay('user:write');
  return (
    <Page
      title="Users"
      action={
        mayWrite && (
          <Button look="primary" onClick={() => setCreating(true)}>
            New user
          </Button>
        )
      }
    >
      <UserFilters search={search} onSearch={onSearch} />
      <UserList search={search} />
      {creating && <CreateUserDialog onClose={() => setCreating(false)} />}
    </Page>
  );
}

function UserList({ search }: { search: UserSearch }) {
  const users = useInfiniteQuery(usersQuery(toFilter(search)));
  if (users.isPending) return <Loading />;
  if (!users.data) return <ErrorAlert error={users.error} onRetry={() => void users.refetch()} />;
  const rows = users.data.pages.flatMap((page) => page.items);
  return (
    <>
      <ErrorAlert error={users.error} onRetry={() => void users.refetch()} />
      {rows.length === 0 ? <Empty>No users match.</Empty> : <UserTable users={rows} />}
      <LoadMore query={users} />
    </>
  );
}
