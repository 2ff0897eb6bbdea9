import { useState } from 'react';
import * as z from 'zod/mini';
import { requestPasswordReset } from '@/client';
import { Centered } from '@/components/centered';
import { TextField } from '@/components/field';
import { Form } from '@/components/form';
import { Card } from '@/components/page';
import { TextLink } from '@/components/text-link';

const schema = z.object({ email: z.email('Enter your email address.') });

/** Has a link mailed. It never tells whether there is an account: that is nobody's business. */
export function ForgotPasswordPage() {
  const [askedFor, setAskedFor] = useState<string | null>(null);
  const send = async (body: { email: string }) => {
    await requestPasswordReset({ body });
    setAskedFor(body.email);
  };
  return (
    <Centered>
      <title>Forgot your password · Groundplan</title>
      <Card>
        <h1 className="mb-5 text-xl font-semibold tracking-tight">Forgot your password?</h1>
        {askedFor === null ? (
          <Form
            schema={schema}
            defaultValues={{ email: '' }}
            send={send}
            submit="Send a link"
            note="You get a mail with a link to set a new password."
          >
            {(field) => (
              <TextField label="Email" type="email" autoComplete="username" {...field('email')} />
            )}
          </Form>
        ) : (
          <p role="status" className="text-sm break-words">
            If there is an account for {askedFor}, a mail with a link is on its way. The link serves
            for 30 minutes. Nothing there? Look among the spam, and at the address above.
          </p>
        )}
        <p className="mt-5 text-sm">
          <TextLink to="/sign-in">Back to sign in</TextLink>
        </p>
      </Card>
    </Centered>
  );
}
