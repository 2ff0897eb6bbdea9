import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { session } from '@/lib/session';
import { tokens } from '@/test/data';
import { renderWithLinks } from '@/test/render';
import { api, problem, server } from '@/test/server';
import { SignInPage } from './sign-in-page';

async function fillAndSubmit(email: string, password: string) {
  if (email) await userEvent.type(screen.getByRole('textbox', { name: 'Email' }), email);
  if (password) await userEvent.type(screen.getByLabelText('Password'), password);
  await userEvent.click(screen.getByRole('button', { name: 'Sign in' }));
}

beforeEach(() => {
  session.end('expired');
  renderWithLinks(<SignInPage />);
});

describe('sign in', () => {
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
    ['many more tries', () => problem(429, '', '', { retryAfter: 890 }), /in 15 minutes/],
    ['a busy API', () => problem(503, 'login_busy', 'Many sign in. Try again.'), /Many sign in/],
    ['no API', () => HttpResponse.error(), /can’t be reached/],
  ])('%s is explained above the form', async (_case, answer, words) => {
    server.use(http.post(api('/auth/login'), answer));
    await fillAndSubmit('admin@example.com', 'wrong');
    expect(await screen.findByRole('alert')).toHaveTextContent(words);
  });

  test('somebody whose session ended learns why they are here', () => {
    expect(screen.getByRole('status')).toHaveTextContent('Your session has ended.');
  });

  test('somebody without their password finds help', () => {
    const link = screen.getByRole('link', { name: 'Forgot your password?' });
    expect(link).toHaveAttribute('href', '/forgot-password');
  });
});

describe('sign in with a second factor', () => {
  /** An API that takes `right` only, and the code 123456. */
  function serveLogin() {
    const bodies: unknown[] = [];
    server.use(
      http.post(api('/auth/login'), async ({ request }) => {
        const body = (await request.json()) as { code?: string };
        bodies.push(body);
        if (!body.code) return problem(401, 'second_factor_required', 'Enter the code.');
        return body.code === '123456'
          ? HttpResponse.json(tokens('t0'))
          : problem(401, 'second_factor_wrong', 'That code is wrong or too old.');
      }),
    );
    return bodies;
  }

  test('the code is asked for in a second step, and sent with the password', async () => {
    const bodies = serveLogin();
    await fillAndSubmit('admin@example.com', 'right');
    const code = await screen.findByRole('textbox', { name: 'Code' });
    expect(code).toHaveFocus();
    await userEvent.type(code, ' 123456 {Enter}');
    await vi.waitFor(() => expect(session.accessToken).toBe('t0'));
    expect(bodies).toEqual([
      { email: 'admin@example.com', password: 'right' },
      { email: 'admin@example.com', password: 'right', code: '123456' },
    ]);
  });

  test('a wrong code is named at its field, and another one can be tried', async () => {
    serveLogin();
    await fillAndSubmit('admin@example.com', 'right');
    const code = await screen.findByRole('textbox', { name: 'Code' });
    await userEvent.type(code, '000000{Enter}');
    await vi.waitFor(() => expect(code).toHaveAccessibleDescription(/wrong or too old/));
    expect(code).toHaveFocus();
    await userEvent.clear(code);
    await userEvent.type(code, '123456{Enter}');
    await vi.waitFor(() => expect(session.accessToken).toBe('t0'));
  });

  test('no code sends nothing', async () => {
    const bodies = serveLogin();
    await fillAndSubmit('admin@example.com', 'right');
    await userEvent.click(await screen.findByRole('button', { name: 'Continue' }));
    expect(await screen.findByText('Enter a code.')).toBeVisible();
    expect(bodies).toHaveLength(1);
  });

  test('too many codes are explained above the form', async () => {
    serveLogin();
    await fillAndSubmit('admin@example.com', 'right');
    server.use(http.post(api('/auth/login'), () => problem(429, '', '', { retryAfter: 30 })));
    await userEvent.type(await screen.findByRole('textbox', { name: 'Code' }), '000000{Enter}');
    expect(await screen.findByRole('alert')).toHaveTextContent('in 30 seconds');
  });

  test('the way back leads to an empty form', async () => {
    serveLogin();
    await fillAndSubmit('admin@example.com', 'right');
    await userEvent.click(await screen.findByRole('button', { name: 'Use another account' }));
    expect(screen.getByLabelText('Password')).toHaveValue('');
  });
});
