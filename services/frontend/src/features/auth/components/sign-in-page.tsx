import { useState } from 'react';
import { Centered } from '@/components/centered';
import { Card } from '@/components/page';
import { CodeForm } from './code-form';
import { type Credentials, PasswordForm } from './password-form';

/** Asks for email and password, then for a code where the user has a second factor. */
export function SignInPage() {
  const [accepted, setAccepted] = useState<Credentials | null>(null);
  return (
    <Centered>
      <title>Sign in · Groundplan</title>
      <Card>
        {accepted ? (
          <CodeForm credentials={accepted} onBack={() => setAccepted(null)} />
        ) : (
          <PasswordForm onCodeNeeded={setAccepted} />
        )}
      </Card>
    </Centered>
  );
}
