import type { UserOut } from '@/client';
import { ErrorAlert } from '@/components/notice';
import { Badge } from '@/components/badge';
import { Button } from '@/components/button';
import { formatDate } from '@/lib/format';
import { useMay, useMe } from '@/lib/me';
import { useToggleUser } from '../api/toggle-user';

export function UserTable({ users }: { users: UserOut[] }) {
  const toggle = useToggleUser();
  const mayWrite = useMay('user:write');
  const me = useMe();
  return (
    <>
      <ErrorAlert error={toggle.error} />
      <div className="border-line bg-surface overflow-hidden rounded-xl border">
        <table className="w-full text-left text-sm [&_td]:px-4 [&_td]:py-3 [&_th]:px-4 [&_th]:py-3">
          <thead className="text-muted border-line border-b">
            <tr className="[&>th]:font-medium">
              <th>Name</th>
              <th className="hidden sm:table-cell">Role</th>
              <th className="hidden md:table-cell">Created</th>
              <th className="hidden sm:table-cell">Status</th>
              {mayWrite && (
                <th>
                  <span className="sr-only">Action</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody className="divide-line divide-y">
            {users.map((user) => (
              <tr key={user.id}>
                <td className="max-w-0 w-full">
                  <p className="truncate font-medium">{user.name}</p>
                  <p className="text-muted truncate">{user.email}</p>
                  <p className="text-muted mt-1 flex items-center gap-2 sm:hidden">
                    <Status user={user} /> {user.role.name}
                  </p>
                </td>
                <td className="hidden sm:table-cell">{user.role.name}</td>
                <td className="hidden whitespace-nowrap md:table-cell">
                  {formatDate(user.created_at)}
                </td>
                <td className="hidden sm:table-cell">
                  <Status user={user} />
                </td>
                {mayWrite && (
                  <td className="text-right">
                    {user.id !== me.id && (
                      <Button
                        look={user.is_active ? 'danger' : 'quiet'}
                        aria-label={`${user.is_active ? 'Deactivate' : 'Activate'} ${user.name}`}
                        busy={toggle.isPending && toggle.variables.id === user.id}
                        onClick={() => toggle.mutate(user)}
                      >
                        {user.is_active ? 'Deactivate' : 'Activate'}
                      </Button>
                    )}
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Status({ user }: { user: UserOut }) {
  return (
    <Badge tone={user.is_active ? 'success' : 'neutral'}>
      {user.is_active ? 'Active' : 'Deactivated'}
    </Badge>
  );
}
