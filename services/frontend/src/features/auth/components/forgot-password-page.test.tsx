import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { renderWithLinks } from '@/test/render';
import { api, problem, server } from '@/test/server';
import { ForgotPasswordPage } from './forgot-password-page';

async function askFor(email: string) {
  await userEvent.type(screen.getByRole('textbox', { name: 'Email' }), `${email}{Enter}`);
}

describe('forgotten password', () => {
  beforeEach(() => void renderWithLinks(<ForgotPasswordPage />));

  test('the page says that a mail comes if there is an account, and no more', async () => {
    const sent = vi.fn();
    server.use(
      http.post(api('/auth/password-reset'), async ({ request }) => {
        sent(await request.json());
        return new HttpResponse(null, { status: 202 });
      }),
    );
    await askFor('ada@example.com');
    expect(await screen.findByRole('status')).toHaveTextContent(
      /If there is an account for ada@example.com/,
    );
    expect(sent).toHaveBeenCalledWith({ email: 'ada@example.com' });
  });

  test('what is no email is not sent', async () => {
    await askFor('ada');
    expect(await screen.findByText('Enter your email address.')).toBeVisible();
  });

  test('too many tries are told with the time to wait', async () => {
    server.use(
      http.post(api('/auth/password-reset'), () => problem(429, '', '', { retryAfter: 60 })),
    );
    await askFor('ada@example.com');
    expect(await screen.findByRole('alert')).toHaveTextContent('Try again in 1 minute.');
  });
});
