import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { mailLink, takeMailLink } from '@/lib/mail-link';
import { session } from '@/lib/session';
import { tokens } from '@/test/data';
import { renderWithLinks } from '@/test/render';
import { api, problem, server } from '@/test/server';
import { SetPasswordPage } from './set-password-page';

const confirmUrl = api('/auth/password-reset/confirm');

async function setTo(password: string, repeated = password) {
  await userEvent.type(screen.getByLabelText('New password'), password);
  await userEvent.type(screen.getByLabelText('Repeat new password'), repeated);
  await userEvent.click(screen.getByRole('button', { name: 'Set password' }));
}

function openLink(fragment: string) {
  takeMailLink(fragment);
  return renderWithLinks(<SetPasswordPage />);
}

beforeEach(() => mailLink.set(null));

describe('set a password', () => {
  test('a new password is set by the link, and leads to signing in', async () => {
    session.begin(tokens('t0'));
    const sent = vi.fn();
    server.use(
      http.post(confirmUrl, async ({ request }) => {
        sent(await request.json());
        return new HttpResponse(null, { status: 204 });
      }),
    );
    const router = openLink('token=abc');
    await setTo('a-much-better-one');
    await vi.waitFor(() => expect(router.history.location.pathname).toBe('/sign-in'));
    expect(session.get()).toEqual({ status: 'signed-out', reason: 'password-changed' });
    expect(sent).toHaveBeenCalledWith({ token: 'abc', new_password: 'a-much-better-one' });
  });

  test('somebody who was invited is welcomed', () => {
    openLink('token=abc&invited=1');
    expect(screen.getByRole('heading', { name: 'Welcome' })).toBeVisible();
  });

  test.each([
    ['token=old', 'Ask for a new link', '/forgot-password'],
    ['token=old&invited=1', 'Go to sign in', '/sign-in'],
  ])('a link that no longer works says where to go: %s', async (fragment, words, href) => {
    server.use(http.post(confirmUrl, () => problem(422, 'link_invalid', 'Used or expired.')));
    openLink(fragment);
    await setTo('a-much-better-one');
    expect(await screen.findByRole('alert')).toHaveTextContent('This link no longer works');
    expect(screen.getByRole('link', { name: words })).toHaveAttribute('href', href);
  });

  test('a password that the API refuses is named at its field', async () => {
    const errors = [{ field: 'body.new_password', message: 'This password is too common.' }];
    server.use(http.post(confirmUrl, () => problem(422, 'validation_error', '', { errors })));
    openLink('token=abc');
    await setTo('password1234');
    await vi.waitFor(() =>
      expect(screen.getByLabelText('New password')).toHaveAccessibleDescription(/too common/),
    );
  });

  test('two different passwords are refused', async () => {
    openLink('token=abc');
    await setTo('a-much-better-one', 'a-much-better-two');
    expect(await screen.findByText('The two new passwords differ.')).toBeVisible();
  });

  test.each(['', 'token=', 'other=1'])('a page without a link says so: “%s”', (fragment) => {
    openLink(fragment);
    expect(screen.getByRole('heading')).toHaveTextContent('Open the link in the mail again');
    expect(screen.queryByRole('button')).not.toBeInTheDocument();
  });
});
