import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test } from 'vitest';
import type { AuditEventOut } from '@/client';
import { session } from '@/lib/session';
import { admin, tokens } from '@/test/data';
import { renderAs } from '@/test/render';
import { api, problem, server } from '@/test/server';
import { sentenceOf } from '../words';
import { AuditPage } from './audit-page';

const ada = { id: 'u-1', email: 'ada@example.com' };
const grace = {
  type: 'user',
  id: 'c0ffee00-0000-4000-8000-000000000000',
  name: 'grace@example.com',
};

function happened(changes: Partial<AuditEventOut> = {}): AuditEventOut {
  return {
    id: 1,
    at: new Date(Date.now() - 180_000).toISOString(),
    event: 'auth.login',
    actor: ada,
    subject: null,
    address: '192.0.2.7',
    details: {},
    ...changes,
  };
}

describe('audit log', () => {
  beforeEach(() => {
    session.begin(tokens('t0'));
    renderAs(admin, <AuditPage />);
  });

  test('it says what happened, from where, and when', async () => {
    server.use(
      http.get(api('/audit'), () => HttpResponse.json({ items: [happened()], next_cursor: null })),
    );
    const row = within(await screen.findByRole('row', { name: /ada@example.com signed in/ }));
    expect(row.getByRole('cell', { name: '192.0.2.7' })).toBeVisible();
    const [time] = row.getAllByText('3 minutes ago');
    expect(time).toHaveAttribute('title', expect.stringMatching(/\d{4}, \d+:\d\d/));
  });

  test('one kind of event can be chosen', async () => {
    server.use(
      http.get(api('/audit'), ({ request }) => {
        const event = new URL(request.url).searchParams.get('event');
        const items = [event === 'user.created' ? happened({ event, subject: grace }) : happened()];
        return HttpResponse.json({ items, next_cursor: null });
      }),
    );
    await screen.findByText('ada@example.com signed in');
    await userEvent.selectOptions(screen.getByRole('combobox', { name: 'Show' }), 'User created');
    expect(await screen.findByText(/ada@example.com created the user/)).toBeVisible();
    expect(screen.queryByText('ada@example.com signed in')).not.toBeInTheDocument();
  });

  test('older events follow by their cursor', async () => {
    server.use(
      http.get(api('/audit'), ({ request }) =>
        new URL(request.url).searchParams.get('cursor') === '2'
          ? HttpResponse.json({ items: [happened({ event: 'auth.logout' })], next_cursor: null })
          : HttpResponse.json({ items: [happened({ id: 2 })], next_cursor: '2' }),
      ),
    );
    await userEvent.click(await screen.findByRole('button', { name: 'Load more' }));
    expect(await screen.findByText('ada@example.com signed out')).toBeVisible();
    expect(screen.getByText('ada@example.com signed in')).toBeVisible();
  });

  test('a log that can’t be read can be asked for again', async () => {
    server.use(http.get(api('/audit'), () => problem(503, 'unavailable', 'Not now.')));
    expect(await screen.findByRole('alert')).toHaveTextContent('Not now.');
    server.use(http.get(api('/audit'), () => HttpResponse.json({ items: [], next_cursor: null })));
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('Nothing yet.')).toBeVisible();
  });
});

test.each([
  [
    happened({ details: { second_factor: true } }),
    'ada@example.com signed in with a second factor',
  ],
  [
    happened({
      event: 'auth.second_factor_off',
      subject: { type: 'user', id: 'u-1', name: 'ada@example.com' },
    }),
    'ada@example.com turned off the second factor of their own account',
  ],
  [
    happened({
      event: 'role.changed',
      subject: { type: 'role', id: 'r', name: null },
      details: { name: '$&' },
    }),
    'ada@example.com changed the role $&',
  ],
  [
    happened({ event: 'user.changed', subject: grace, details: { fields: ['name', 'role'] } }),
    'ada@example.com changed the user grace@example.com: name, role',
  ],
  [happened({ event: 'auth.login_refused', actor: null }), 'Refused to sign in an unknown account'],
  [
    happened({
      event: 'auth.login_refused',
      actor: null,
      subject: grace,
      details: { reason: 'second_factor_wrong' },
    }),
    'Refused to sign in the user grace@example.com: wrong code',
  ],
  [happened({ actor: { id: 'u-0', email: null } }), 'Somebody who is gone signed in'],
  [happened({ event: 'of.tomorrow' as AuditEventOut['event'] }), 'ada@example.com: of.tomorrow'],
])('it speaks in sentences (%#)', (event, sentence) => {
  expect(sentenceOf(event)).toBe(sentence);
});
