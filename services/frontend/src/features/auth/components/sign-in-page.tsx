import { zodResolver } from '@hookform/resolvers/zod';
import { useForm } from 'react-hook-form';
import * as z from 'zod/mini';
import { FormError } from '@/components/form-error';
import { Notice } from '@/components/notice';
import { Centered } from '@/components/centered';
import { Button } from '@/components/button';
import { TextField } from '@/components/field';
import { Card } from '@/components/page';
import { showFormError } from '@/lib/form';
import { session } from '@/lib/session';
import { useStore } from '@/lib/store';
import { signIn } from '../api/sign-in';

const schema = z.object({
  email: z.email('Enter your email address.'),
  password: z.string().check(z.minLength(1, 'Enter your password.')),
});

const notices = {
  asked: 'You are signed out.',
  expired: 'Your session has ended. Sign in again.',
  'password-changed': 'Your password is changed. Sign in with the new one.',
};

export function SignInPage() {
  const reason = useStore(session, (state) => ('reason' in state ? state.reason : null));
  const form = useForm({
    resolver: zodResolver(schema),
    defaultValues: { email: '', password: '' },
  });
  const { errors, isSubmitting } = form.formState;
  const submit = form.handleSubmit((values) =>
    signIn(values).catch((error: unknown) => showFormError(form, error)),
  );
  return (
    <Centered>
      <title>Sign in · Groundplan</title>
      <Card>
        <h1 className="mb-5 text-xl font-semibold tracking-tight">Sign in</h1>
        <form noValidate onSubmit={submit} className="grid gap-4">
          <FormError error={errors.root} />
          {reason && !errors.root && (
            <Notice tone="info" role="status">
              {notices[reason]}
            </Notice>
          )}
          <TextField
            label="Email"
            type="email"
            autoComplete="username"
            error={errors.email?.message}
            {...form.register('email')}
          />
          <TextField
            label="Password"
            type="password"
            autoComplete="current-password"
            error={errors.password?.message}
            {...form.register('password')}
          />
          <Button type="submit" look="primary" busy={isSubmitting}>
            Sign in
          </Button>
        </form>
      </Card>
    </Centered>
  );
}
