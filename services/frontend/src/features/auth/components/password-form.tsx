import * as z from 'zod/mini';
import { TextField } from '@/components/field';
import { Form } from '@/components/form';
import { Notice } from '@/components/notice';
import { TextLink } from '@/components/text-link';
import { session } from '@/lib/session';
import { useStore } from '@/lib/store';
import { signIn } from '../api/sign-in';

const schema = z.object({
  email: z.email('Enter your email address.'),
  password: z.string().check(z.minLength(1, 'Enter your password.')),
});

export type Credentials = z.infer<typeof schema>;

const notices = {
  asked: 'You are signed out.',
  'asked-everywhere': 'You are signed out on all devices.',
  expired: 'Your session has ended. Sign in again.',
  'password-changed': 'The new password is set. Sign in with it.',
};

export function PasswordForm({
  onCodeNeeded,
}: {
  onCodeNeeded: (credentials: Credentials) => void;
}) {
  const reason = useStore(session, (state) => ('reason' in state ? state.reason : null));
  const send = async (credentials: Credentials) => {
    const { needsCode } = await signIn(credentials);
    if (needsCode) onCodeNeeded(credentials);
  };
  return (
    <>
      <h1 className="mb-5 text-xl font-semibold tracking-tight">Sign in</h1>
      <Form
        schema={schema}
        defaultValues={{ email: '', password: '' }}
        send={send}
        submit="Sign in"
        notice={
          reason && (
            <Notice tone="info" role="status">
              {notices[reason]}
            </Notice>
          )
        }
      >
        {(field) => (
          <>
            <TextField label="Email" type="email" autoComplete="username" {...field('email')} />
            <TextField
              label="Password"
              type="password"
              autoComplete="current-password"
              {...field('password')}
            />
          </>
        )}
      </Form>
      <p className="mt-5 text-sm">
        <TextLink to="/forgot-password">Forgot your password?</TextLink>
      </p>
    </>
  );
}
