import * as z from 'zod/mini';
import { Button } from '@/components/button';
import { TextField } from '@/components/field';
import { Form } from '@/components/form';
import { signIn } from '../api/sign-in';
import type { Credentials } from './password-form';

const schema = z.object({
  code: z.string().check(z.trim(), z.minLength(1, 'Enter a code.')),
});

type Props = { credentials: Credentials; onBack: () => void };

/** The second step of signing in. */
export function CodeForm({ credentials, onBack }: Props) {
  return (
    <>
      <h1 className="mb-2 text-xl font-semibold tracking-tight">Enter your code</h1>
      <p className="text-muted mb-5 text-sm break-words">for {credentials.email}</p>
      <Form
        schema={schema}
        defaultValues={{ code: '' }}
        send={({ code }) => signIn({ ...credentials, code })}
        submit="Continue"
        focus="code"
      >
        {(field) => (
          <TextField
            label="Code"
            autoComplete="one-time-code"
            autoCapitalize="none"
            spellCheck={false}
            hint="The 6 digits that your authenticator app shows, or one of your recovery codes."
            {...field('code')}
          />
        )}
      </Form>
      <div className="mt-3 grid">
        <Button look="quiet" onClick={onBack}>
          Use another account
        </Button>
      </div>
    </>
  );
}
