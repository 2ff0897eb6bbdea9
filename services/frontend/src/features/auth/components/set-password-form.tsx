import { useNavigate } from '@tanstack/react-router';
import * as z from 'zod/mini';
import { TextField } from '@/components/field';
import { Form } from '@/components/form';
import { isRepeated, newPassword, newPasswordHint } from '@/lib/password';
import { setPassword } from '../api/set-password';

const schema = z.object({ new_password: newPassword, repeated: z.string() }).check(isRepeated);

export function SetPasswordForm({ token, onDeadLink }: { token: string; onDeadLink: () => void }) {
  const navigate = useNavigate();
  const send = async ({ new_password }: { new_password: string }) => {
    if (await setPassword(token, new_password)) await navigate({ to: '/sign-in' });
    else onDeadLink();
  };
  return (
    <Form
      schema={schema}
      defaultValues={{ new_password: '', repeated: '' }}
      send={send}
      submit="Set password"
    >
      {(field) => (
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
      )}
    </Form>
  );
}
