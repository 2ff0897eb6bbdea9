import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { session } from '@/lib/session';
import { admin, tokens } from '@/test/data';
import { renderAs } from '@/test/render';
import { api, problem, server } from '@/test/server';
import { ChangePasswordForm } from './change-password-form';

async function fillAndSubmit(current: string, next: string, repeated = next) {
  await userEvent.type(screen.getByLabelText('Current password'), current);
  await userEvent.type(screen.getByLabelText('New password'), next);
  await userEvent.type(screen.getByLabelText('Repeat new password'), repeated);
  await userEvent.click(screen.getByRole('button', { name: 'Change password' }));
}

describe('change password', () => {
  beforeEach(() => {
    session.begin(tokens('t0'));
    renderAs(admin, <ChangePasswordForm />);
  });

  test('a new password ends the session, which the sign-in page explains', async () => {
    server.use(http.post(api('/auth/password'), () => new HttpResponse(null, { status: 204 })));
    await fillAndSubmit('old', 'a-much-better-one');
    await vi.waitFor(() =>
      expect(session.get()).toEqual({ status: 'signed-out', reason: 'password-changed' }),
    );
  });

  test('two different new passwords are refused', async () => {
    await fillAndSubmit('old', 'a-much-better-one', 'a-much-better-two');
    expect(await screen.findByText('The two new passwords differ.')).toBeVisible();
  });

  test('a wrong current password is named at its field', async () => {
    const errors = [{ field: 'body.current_password', message: 'That is not your password.' }];
    server.use(
      http.post(api('/auth/password'), () => problem(422, 'validation_error', '', { errors })),
    );
    await fillAndSubmit('wrong', 'a-much-better-one');
    await vi.waitFor(() =>
      expect(screen.getByLabelText('Current password')).toHaveAccessibleDescription(
        'That is not your password.',
      ),
    );
    expect(screen.getByLabelText('Current password')).toHaveFocus();
  });
});
