import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test } from 'vitest';
import { session } from '@/lib/session';
import { admin, tokens, viewer } from '@/test/data';
import { withLocks } from '@/test/locks';
import { api, problem, server } from '@/test/server';
import { App } from './app';
import { router } from './router';

/** An API where `me` is signed in by cookie, or nobody. */
function serve(me: typeof admin | null) {
  server.use(
    http.post(api('/auth/refresh'), () =>
      me ? HttpResponse.json(tokens('t1')) : problem(401, 'unauthorized', 'No session.'),
    ),
    http.post(api('/auth/login'), () => HttpResponse.json(tokens('t2'))),
    http.post(api('/auth/logout'), () => new HttpResponse(null, { status: 204 })),
    http.get(api('/auth/me'), () => HttpResponse.json(me ?? admin)),
    http.get(api('/events'), () => HttpResponse.error()),
    http.get(api('/jobs'), () => HttpResponse.json({ items: [], next_cursor: null })),
    http.get(api('/users'), () => HttpResponse.json({ items: [], next_cursor: null })),
  );
}

async function open(path: string) {
  router.history.push(path);
  render(<App />);
  await session.restore();
}

async function signOut() {
  await userEvent.click(await screen.findByRole('button', { name: 'Admin' }));
  await userEvent.click(screen.getByRole('button', { name: 'Sign out' }));
}

describe('the page as a whole', () => {
  beforeEach(() => session.end('asked'));

  test('signing in leads to where one wanted to go', async () => {
    serve(null);
    await open('/exports');
    await userEvent.type(await screen.findByRole('textbox', { name: 'Email' }), 'a@example.com');
    await userEvent.type(screen.getByLabelText('Password'), 'secret');
    await userEvent.click(screen.getByRole('button', { name: 'Sign in' }));
    expect(await screen.findByRole('heading', { name: 'Exports' })).toBeVisible();
  });

  test('after signing in nobody is led to another site', async () => {
    serve(admin);
    await open('/sign-in?next=//evil.example');
    expect(await screen.findByRole('heading', { name: 'Users' })).toBeVisible();
  });

  test('a living session needs no sign-in, and signing out ends it', async () => {
    serve(admin);
    await open('/users');
    await screen.findByRole('heading', { name: 'Users' });
    await signOut();
    expect(await screen.findByText('You are signed out.')).toBeVisible();
  });

  test('one stays signed in, and is told, when the API can’t be reached to sign out', async () => {
    serve(admin);
    server.use(http.post(api('/auth/logout'), () => HttpResponse.error()));
    await open('/users');
    await signOut();
    expect(await screen.findByRole('alert')).toHaveTextContent('can’t be reached');
    expect(session.accessToken).not.toBeNull();
  });

  test('one can sign out after the access token has expired', async () => {
    withLocks();
    serve(admin);
    server.use(http.post(api('/auth/logout'), () => problem(401, '', ''), { once: true }));
    await open('/users');
    await signOut();
    expect(await screen.findByText('You are signed out.')).toBeVisible();
  });

  test('a page that one may not see says which permission is missing', async () => {
    serve({ ...viewer, permissions: ['job:read'] });
    await open('/users');
    expect(await screen.findByRole('alert')).toHaveTextContent('user:read');
    expect(screen.queryByRole('link', { name: 'Users' })).not.toBeInTheDocument();
  });

  test('an unknown address is answered with a way back', async () => {
    serve(admin);
    await open('/nowhere');
    expect(await screen.findByRole('heading', { name: 'Page not found' })).toBeVisible();
    expect(screen.getByRole('link', { name: 'Go to the start page' })).toHaveAttribute('href', '/');
  });

  test('without an API the page offers to try again', async () => {
    serve(admin);
    server.use(http.post(api('/auth/refresh'), () => HttpResponse.error(), { once: true }));
    await open('/users');
    await userEvent.click(await screen.findByRole('button', { name: 'Try again' }));
    expect(await screen.findByRole('heading', { name: 'Users' })).toBeVisible();
  });

  test('the token of a mailed link leaves the address bar, whoever is signed in', async () => {
    serve(admin);
    server.use(
      http.post(api('/auth/password-reset/confirm'), () => new HttpResponse(null, { status: 204 })),
    );
    await open('/set-password#token=abc&invited=1');
    expect(await screen.findByRole('heading', { name: 'Welcome' })).toBeVisible();
    expect(router.history.location.href).toBe('/set-password');
    await userEvent.type(screen.getByLabelText('New password'), 'a-much-better-one');
    await userEvent.type(screen.getByLabelText('Repeat new password'), 'a-much-better-one');
    await userEvent.click(screen.getByRole('button', { name: 'Set password' }));
    expect(await screen.findByText('The new password is set. Sign in with it.')).toBeVisible();
  });

  test('one’s own menu opens, leads to the account, and closes', async () => {
    serve(admin);
    server.use(http.get(api('/auth/sessions'), () => HttpResponse.json({ items: [] })));
    await open('/users');
    const menu = await screen.findByRole('button', { name: 'Admin' });
    await userEvent.click(menu);
    await userEvent.keyboard('{Escape}');
    expect(screen.queryByRole('link', { name: 'Your account' })).not.toBeInTheDocument();
    expect(menu).toHaveFocus();
    await userEvent.click(menu);
    await userEvent.click(screen.getByRole('link', { name: 'Your account' }));
    expect(await screen.findByRole('heading', { name: 'Your account' })).toBeVisible();
    expect(screen.queryByRole('link', { name: 'Your account' })).not.toBeInTheDocument();
  });

  test.each([
    ['/audit', 'audit:read'],
    ['/exports/failed', 'job:manage'],
  ])('%s is for those with the permission', async (path, permission) => {
    serve(viewer);
    await open(path);
    expect(await screen.findByRole('alert')).toHaveTextContent(permission);
  });
});
