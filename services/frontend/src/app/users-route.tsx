import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';
import { UsersPage } from '@/features/users/components/users-page';
import type { UserSearch } from '@/features/users/search';

/** Keeps the list's filter in the address bar. */
export function UsersRoute() {
  const navigate = useNavigate();
  const search = useSearch({ from: '/shell/users' });
  const changeSearch = useCallback(
    (change: UserSearch) =>
      void navigate({ to: '/users', search: (all) => ({ ...all, ...change }), replace: true }),
    [navigate],
  );
  return <UsersPage search={search} onSearch={changeSearch} />;
}
