import { zodResolver } from '@hookform/resolvers/zod';
import { useForm } from 'react-hook-form';
import * as z from 'zod/mini';
import { FormError } from '@/components/form-error';
import { Button } from '@/components/button';
import { TextField } from '@/components/field';
import { showFormError } from '@/lib/form';
import { useMe } from '@/lib/me';
import { newPassword } from '@/lib/password';
import { useChangePassword } from '../api/change-password';

const schema = z
  .object({
    current_password: z.string().check(z.minLength(1, 'Enter your current password.')),
    new_password: newPassword,
    repeated: z.string(),
  })
  .check(
    z.refine((values) => values.new_password === values.repeated, {
      path: ['repeated'],
      message: 'The two new passwords differ.',
    }),
  );

export function ChangePasswordForm() {
  const me = useMe();
  const change = useChangePassword();
  const form = useForm({
    resolver: zodResolver(schema),
    defaultValues: { current_password: '', new_password: '', repeated: '' },
  });
  const { errors } = form.formState;
  const submit = form.handleSubmit(({ current_password, new_password }) =>
    change
      .mutateAsync({ current_password, new_password })
      .catch((error: unknown) => showFormError(form, error)),
  );
  return (
    <form noValidate onSubmit={submit} className="grid max-w-sm gap-4">
      <FormError error={errors.root} />
      {/* Tells password managers whose password changes. */}
      <input type="hidden" autoComplete="username" value={me.email} readOnly />
      <TextField
        label="Current password"
        type="password"
        autoComplete="current-password"
        error={errors.current_password?.message}
        {...form.register('current_password')}
      />
      <TextField
        label="New password"
        type="password"
        autoComplete="new-password"
        hint="At least 12 characters."
        error={errors.new_password?.message}
        {...form.register('new_password')}
      />
      <TextField
        label="Repeat new password"
        type="password"
        autoComplete="new-password"
        error={errors.repeated?.message}
        {...form.register('repeated')}
      />
      <div>
        <Button type="submit" look="primary" busy={change.isPending}>
          Change password
        </Button>
        <p className="text-muted mt-3 text-sm">You will be signed out everywhere.</p>
      </div>
    </form>
  );
}
