import { newPasswordHint } from '@/lib/password';
import { TextField } from './field';
import type { FieldProps } from './form';

type Props = { field: (name: 'new_password' | 'repeated') => FieldProps };

/** A new password, twice. */
export function NewPasswordFields({ field }: Props) {
  return (
    <>
      <TextField
        label="New password"
        type="password"
        autoComplete="new-password"
        hint={newPasswordHint}
        {...field('new_password')}
      />
      <TextField
        label="Repeat new password"
        type="password"
        autoComplete="new-password"
        {...field('repeated')}
      />
    </>
  );
}
