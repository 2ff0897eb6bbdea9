import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Button } from '@/components/button';
import { Page } from '@/components/page';
import { Pages } from '@/components/pages';
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
  return (
    <Pages query={users} empty="No users match.">
      {(rows) => <UserTable users={rows} />}
    </Pages>
  );
}
