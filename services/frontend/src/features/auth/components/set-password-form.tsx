import { useNavigate } from '@tanstack/react-router';
import * as z from 'zod/mini';
import { Form } from '@/components/form';
import { NewPasswordFields } from '@/components/new-password-fields';
import { isRepeated, newPassword } from '@/lib/password';
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
      {(field) => <NewPasswordFields field={field} />}
    </Form>
  );
}
