import * as z from 'zod/mini';
import { TextField } from '@/components/field';
import { Form } from '@/components/form';
import { NewPasswordFields } from '@/components/new-password-fields';
import { useMe } from '@/lib/me';
import { isRepeated, newPassword } from '@/lib/password';
import { useChangePassword } from '../api/change-password';

const schema = z
  .object({
    current_password: z.string().check(z.minLength(1, 'Enter your current password.')),
    new_password: newPassword,
    repeated: z.string(),
  })
  .check(isRepeated);

export function ChangePasswordForm() {
  const me = useMe();
  const change = useChangePassword();
  return (
    <Form
      schema={schema}
      defaultValues={{ current_password: '', new_password: '', repeated: '' }}
      send={({ current_password, new_password }) =>
        change.mutateAsync({ current_password, new_password })
      }
      submit="Change password"
      note="You will be signed out everywhere."
    >
      {(field) => (
        <>
          {/* Tells password managers whose password changes. */}
          <input type="hidden" autoComplete="username" value={me.email} readOnly />
          <TextField
            label="Current password"
            type="password"
            autoComplete="current-password"
            {...field('current_password')}
          />
          <NewPasswordFields field={field} />
        </>
      )}
    </Form>
  );
}
