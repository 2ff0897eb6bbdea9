import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { SessionOut } from '@/client';
import { session } from '@/lib/session';
import { admin, tokens } from '@/test/data';
import { renderAs } from '@/test/render';
import { api, problem, server } from '@/test/server';
import { Sessions } from './sessions';

function device(changes: Partial<SessionOut> = {}): SessionOut {
  return {
    id: 's-1',
    created_at: '2026-01-02T03:04:05Z',
    last_used_at: '2026-01-02T03:04:05Z',
    address: '192.0.2.7',
    user_agent: 'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0',
    current: false,
    ...changes,
  };
}

const here = device({ id: 's-0', current: true });

function serveSessions(...items: SessionOut[]) {
  server.use(http.get(api('/auth/sessions'), () => HttpResponse.json({ items })));
}

beforeEach(() => {
  session.begin(tokens('t0'));
  renderAs(admin, <Sessions />);
});

describe('sessions', () => {
  test('each is shown with its device and address, and this one is marked', async () => {
    serveSessions(here, device({ user_agent: '', address: '' }));
    const [first, second] = (await screen.findAllByRole('listitem')) as [HTMLElement, HTMLElement];
    expect(first).toHaveTextContent(/Firefox on Linux.*This device.*from 192.0.2.7/);
    expect(second).toHaveTextContent('Unknown device');
    expect(within(first).queryByRole('button')).not.toBeInTheDocument();
  });

  test('another device is signed out and leaves the list', async () => {
    serveSessions(here, device());
    const ended = vi.fn();
    server.use(
      http.delete(api('/auth/sessions/:id'), ({ params }) => {
        ended(params.id);
        serveSessions(here);
        return new HttpResponse(null, { status: 204 });
      }),
    );
    await userEvent.click(await screen.findByRole('button', { name: 'Sign out Firefox on Linux' }));
    await vi.waitFor(() => expect(screen.getAllByRole('listitem')).toHaveLength(1));
    expect(ended).toHaveBeenCalledWith('s-1');
    expect(session.accessToken).toBe('t0');
  });

  test('a session that can’t be ended says why', async () => {
    serveSessions(here, device());
    server.use(
      http.delete(api('/auth/sessions/s-1'), () => problem(503, 'unavailable', 'Redis is away.')),
    );
    await userEvent.click(await screen.findByRole('button', { name: 'Sign out Firefox on Linux' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('Redis is away.');
  });

  test('signing out everywhere is asked about first, and ends the session here too', async () => {
    serveSessions(here);
    const ended = vi.fn(() => new HttpResponse(null, { status: 204 }));
    server.use(http.post(api('/auth/logout-everywhere'), ended));
    const open = await screen.findByRole('button', { name: 'Sign out everywhere' });
    await userEvent.click(open);
    await userEvent.click(screen.getByRole('button', { name: 'Cancel' }));
    expect(ended).not.toHaveBeenCalled();

    await userEvent.click(open);
    const dialog = within(screen.getByRole('dialog', { name: 'Sign out everywhere?' }));
    await userEvent.click(dialog.getByRole('button', { name: 'Sign out everywhere' }));
    await vi.waitFor(() =>
      expect(session.get()).toEqual({ status: 'signed-out', reason: 'asked-everywhere' }),
    );
  });

  test('one stays signed in, and is told, when the API can’t be reached', async () => {
    serveSessions(here);
    server.use(http.post(api('/auth/logout-everywhere'), () => HttpResponse.error()));
    await userEvent.click(await screen.findByRole('button', { name: 'Sign out everywhere' }));
    const dialog = within(screen.getByRole('dialog'));
    await userEvent.click(dialog.getByRole('button', { name: 'Sign out everywhere' }));
    expect(await dialog.findByRole('alert')).toHaveTextContent('can’t be reached');
    expect(session.accessToken).toBe('t0');
  });
});
