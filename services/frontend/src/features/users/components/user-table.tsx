import { useState } from 'react';
import type { UserOut } from '@/client';
import { Button } from '@/components/button';
import { formatDate } from '@/lib/format';
import { useMay, useMe } from '@/lib/me';
import { UserDialog } from './user-dialog';
import { UserStatus } from './user-status';

export function UserTable({ users }: { users: UserOut[] }) {
  const mayWrite = useMay('user:write');
  const [openId, setOpenId] = useState<string | null>(null);
  const me = useMe();
  const open = users.find(({ id }) => id === openId);
  return (
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
                  <UserStatus user={user} /> {user.role.name}
                </p>
              </td>
              <td className="hidden sm:table-cell">{user.role.name}</td>
              <td className="hidden whitespace-nowrap md:table-cell">
                {formatDate(user.created_at)}
              </td>
              <td className="hidden sm:table-cell">
                <UserStatus user={user} />
              </td>
              {mayWrite && (
                <td className="text-right">
                  {user.id !== me.id && (
                    <Button
                      look="quiet"
                      aria-label={`Manage ${user.name}`}
                      onClick={() => setOpenId(user.id)}
                    >
                      Manage
                    </Button>
                  )}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {open && <UserDialog user={open} onClose={() => setOpenId(null)} />}
    </div>
  );
}
