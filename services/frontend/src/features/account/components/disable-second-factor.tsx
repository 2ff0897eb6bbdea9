import * as z from 'zod/mini';
import { Dialog } from '@/components/dialog';
import { TextField } from '@/components/field';
import { Form } from '@/components/form';
import { useDisableSecondFactor } from '../api/second-factor';

const schema = z.object({
  password: z.string().check(z.minLength(1, 'Enter your password.')),
  code: z.string().check(z.trim(), z.minLength(1, 'Enter a code.')),
});

export function DisableSecondFactor({ onClose }: { onClose: () => void }) {
  const disable = useDisableSecondFactor();
  return (
    <Dialog title="Turn off the second factor?" onClose={onClose}>
      <Form
        schema={schema}
        defaultValues={{ password: '', code: '' }}
        send={(values) => disable.mutateAsync(values).then(onClose)}
        submit="Turn off"
        focus="password"
        onCancel={onClose}
      >
        {(field) => (
          <>
            <TextField
              label="Password"
              type="password"
              autoComplete="current-password"
              {...field('password')}
            />
            <TextField
              label="Code"
              autoComplete="one-time-code"
              autoCapitalize="none"
              spellCheck={false}
              hint="From the app, or a recovery code."
              {...field('code')}
            />
          </>
        )}
      </Form>
    </Dialog>
  );
}
