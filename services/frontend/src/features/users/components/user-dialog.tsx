import type { ReactNode } from 'react';
import type { UserOut } from '@/client';
import { Button } from '@/components/button';
import { Dialog } from '@/components/dialog';
import { ErrorAlert, Notice } from '@/components/notice';
import { formatDate } from '@/lib/format';
import { useInviteUser } from '../api/invite-user';
import { useResetSecondFactor } from '../api/reset-second-factor';
import { useToggleUser } from '../api/toggle-user';
import { UserStatus } from './user-status';

/** One user, and what an administrator can do about them. */
export function UserDialog({ user, onClose }: { user: UserOut; onClose: () => void }) {
  return (
    <Dialog title={user.name} onClose={onClose}>
      <div className="grid gap-5">
        <dl className="grid grid-cols-[auto_1fr] gap-x-8 gap-y-2 text-sm [&>dt]:text-muted">
          <dt>Email</dt>
          <dd className="break-all">{user.email}</dd>
          <dt>Role</dt>
          <dd>{user.role.name}</dd>
          <dt>Created</dt>
          <dd>{formatDate(user.created_at)}</dd>
          <dt>Status</dt>
          <dd>
            <UserStatus user={user} />
          </dd>
        </dl>
        <div className="divide-line divide-y">
          {user.invited && user.is_active && <Invite user={user} />}
          {user.second_factor && <ResetSecondFactor user={user} />}
          <Toggle user={user} />
        </div>
        <div className="flex justify-end">
          <Button onClick={onClose}>Close</Button>
        </div>
      </div>
    </Dialog>
  );
}

function Invite({ user }: { user: UserOut }) {
  const invite = useInviteUser(user.id);
  return (
    <Action action={invite} words="Resend invitation" done="The invitation is on its way.">
      They have not chosen a password yet.
    </Action>
  );
}

function ResetSecondFactor({ user }: { user: UserOut }) {
  const reset = useResetSecondFactor(user.id);
  return (
    <Action action={reset} words="Reset second factor" look="danger">
      Where the phone and the recovery codes are lost: the password alone signs in again.
    </Action>
  );
}

function Toggle({ user }: { user: UserOut }) {
  const toggle = useToggleUser(user);
  return user.is_active ? (
    <Action action={toggle} words="Deactivate" look="danger">
      Signs them out everywhere; they can’t sign in again.
    </Action>
  ) : (
    <Action action={toggle} words="Activate">
      They can sign in again.
    </Action>
  );
}

type ActionProps = Pick<React.ComponentProps<typeof Button>, 'look'> & {
  action: { mutate: () => void; isPending: boolean; isSuccess: boolean; error: unknown };
  words: string;
  /** Said when it succeeded, where nothing else shows it. */
  done?: string;
  /** What it is for. */
  children: ReactNode;
};

function Action({ action, words, done, look = 'quiet', children }: ActionProps) {
  return (
    <div className="grid gap-3 py-3">
      <div className="grid justify-items-end gap-1 sm:flex sm:items-center sm:justify-between sm:gap-4">
        <p className="text-muted justify-self-start text-sm">{children}</p>
        <Button look={look} busy={action.isPending} onClick={() => action.mutate()}>
          {words}
        </Button>
      </div>
      <ErrorAlert error={action.error} />
      {done && action.isSuccess && (
        <Notice tone="info" role="status">
          {done}
        </Notice>
      )}
    </div>
  );
}
