import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import * as z from 'zod/mini';
import type { Permission, RoleOut } from '@/client';
import { Dialog } from '@/components/dialog';
import { CheckField, SelectField, TextField } from '@/components/field';
import { Form } from '@/components/form';
import { ErrorAlert } from '@/components/notice';
import { Loading } from '@/components/page';
import { useMe } from '@/lib/me';
import { newPassword, newPasswordHint } from '@/lib/password';
import { useCreateUser } from '../api/create-user';
import { rolesQuery } from '../api/list-roles';

const invited = z.object({
  name: z.string().check(z.trim(), z.minLength(1, 'Enter a name.')),
  email: z.email('Enter an email address.'),
  role: z.string(),
});
const withPassword = z.extend(invited, { password: newPassword });

type NewUser = z.infer<typeof invited> & { password?: string };

export function CreateUserDialog({ onClose }: { onClose: () => void }) {
  const { permissions } = useMe();
  const roles = useQuery(rolesQuery);
  return (
    <Dialog title="New user" onClose={onClose}>
      {roles.isPending && <Loading />}
      <ErrorAlert error={roles.error} onRetry={() => void roles.refetch()} />
      {roles.data && (
        <CreateUserForm roles={grantable(roles.data.items, permissions)} onClose={onClose} />
      )}
    </Dialog>
  );
}

/** Names of the roles that somebody with the permissions `own` may give: nobody hands out more than they have. */
function grantable(roles: RoleOut[], own: Permission[]): string[] {
  return roles
    .filter(({ permissions }) => permissions.every((one) => own.includes(one)))
    .map(({ name }) => name);
}

function CreateUserForm({ roles, onClose }: { roles: string[]; onClose: () => void }) {
  const create = useCreateUser();
  const [invites, setInvites] = useState(true);
  return (
    <Form<NewUser>
      schema={invites ? invited : withPassword}
      defaultValues={{
        name: '',
        email: '',
        role: roles.includes('viewer') ? 'viewer' : (roles[0] ?? ''),
      }}
      send={(values) => create.mutateAsync(values).then(onClose)}
      submit={invites ? 'Send invitation' : 'Create user'}
      focus="name"
      onCancel={onClose}
    >
      {(field) => (
        <>
          <TextField label="Name" autoComplete="off" {...field('name')} />
          <TextField label="Email" type="email" autoComplete="off" {...field('email')} />
          <SelectField
            label="Role"
            options={Object.fromEntries(roles.map((role) => [role, role]))}
            {...field('role')}
          />
          <CheckField
            label="Let them choose their password"
            hint="They get a mail with a link that serves for 7 days."
            checked={invites}
            onChange={({ target }) => setInvites(target.checked)}
          />
          {!invites && (
            <TextField
              label="Password"
              type="password"
              autoComplete="new-password"
              hint={newPasswordHint}
              {...field('password')}
            />
          )}
        </>
      )}
    </Form>
  );
}
