import { zodResolver } from '@hookform/resolvers/zod';
import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { useForm } from 'react-hook-form';
import * as z from 'zod/mini';
import type { Permission, RoleOut } from '@/client';
import { ErrorAlert } from '@/components/notice';
import { FormError } from '@/components/form-error';
import { Loading } from '@/components/page';
import { Button } from '@/components/button';
import { Dialog } from '@/components/dialog';
import { SelectField, TextField } from '@/components/field';
import { showFormError } from '@/lib/form';
import { useMe } from '@/lib/me';
import { newPassword } from '@/lib/password';
import { useCreateUser } from '../api/create-user';
import { rolesQuery } from '../api/list-roles';

const schema = z.object({
  name: z.string().check(z.trim(), z.minLength(1, 'Enter a name.')),
  email: z.email('Enter an email address.'),
  password: newPassword,
  role: z.string(),
});

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
  const form = useForm({
    resolver: zodResolver(schema),
    defaultValues: {
      name: '',
      email: '',
      password: '',
      role: roles.includes('viewer') ? 'viewer' : (roles[0] ?? ''),
    },
  });
  const { errors } = form.formState;
  useEffect(() => form.setFocus('name'), [form]);
  const submit = form.handleSubmit((values) =>
    create.mutateAsync(values).then(onClose, (error: unknown) => showFormError(form, error)),
  );
  return (
    <form noValidate onSubmit={submit} className="grid gap-4">
      <FormError error={errors.root} />
      <TextField
        label="Name"
        autoComplete="off"
        error={errors.name?.message}
        {...form.register('name')}
      />
      <TextField
        label="Email"
        type="email"
        autoComplete="off"
        error={errors.email?.message}
        {...form.register('email')}
      />
      <TextField
        label="Password"
        type="password"
        autoComplete="new-password"
        hint="At least 12 characters."
        error={errors.password?.message}
        {...form.register('password')}
      />
      <SelectField
        label="Role"
        options={Object.fromEntries(roles.map((role) => [role, role]))}
        error={errors.role?.message}
        {...form.register('role')}
      />
      <div className="mt-2 flex justify-end gap-3">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" busy={create.isPending}>
          Create user
        </Button>
      </div>
    </form>
  );
}
