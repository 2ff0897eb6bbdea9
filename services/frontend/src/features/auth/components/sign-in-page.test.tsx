import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { session } from '@/lib/session';
import { tokens } from '@/test/data';
import { api, problem, server } from '@/test/server';
import { SignInPage } from './sign-in-page';

async function fillAndSubmit(email: string, password: string) {
  if (email) await userEvent.type(screen.getByRole('textbox', { name: 'Email' }), email);
  if (password) await userEvent.type(screen.getByLabelText('Password'), password);
  await userEvent.click(screen.getByRole('button', { name: 'Sign in' }));
}

describe('sign in', () => {
  beforeEach(() => {
    session.end('expired');
    render(<SignInPage />);
  });

  test('a right password starts the session', async () => {
    server.use(http.post(api('/auth/login'), () => HttpResponse.json(tokens('t0'))));
    await fillAndSubmit('admin@example.com', 'right');
    await vi.waitFor(() => expect(session.accessToken).toBe('t0'));
  });

  test('empty fields are named, and the first of them has the focus', async () => {
    await fillAndSubmit('', '');
    const email = await screen.findByRole('textbox', { name: 'Email', description: /your email/ });
    expect(email).toBeInvalid();
    expect(email).toHaveFocus();
    expect(screen.getByLabelText('Password')).toHaveAccessibleDescription('Enter your password.');
  });

  test.each([
    ['a wrong password', () => problem(401, '', 'The password is wrong.'), /password is wrong/],
    ['too many tries', () => problem(429, '', '', { retryAfter: 7 }), /in 7 seconds/],
    ['no API', () => HttpResponse.error(), /can’t be reached/],
  ])('%s is explained above the form', async (_case, answer, words) => {
    server.use(http.post(api('/auth/login'), answer));
    await fillAndSubmit('admin@example.com', 'wrong');
    expect(await screen.findByRole('alert')).toHaveTextContent(words);
  });

  test('somebody whose session ended learns why they are here', () => {
    expect(screen.getByRole('status')).toHaveTextContent('Your session has ended.');
  });
});
