import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { UserOut } from '@/client';
import { session } from '@/lib/session';
import { admin, tokens, user, viewer } from '@/test/data';
import { renderAs } from '@/test/render';
import { api, problem, server } from '@/test/server';
import { UsersPage } from './users-page';

const roles = [
  { name: 'admin', permissions: admin.permissions },
  { name: 'viewer', permissions: viewer.permissions },
];

function serveUsers(users: UserOut[], next_cursor: string | null = null) {
  server.use(http.get(api('/users'), () => HttpResponse.json({ items: users, next_cursor })));
}

function renderPage(me = admin, onSearch = vi.fn()) {
  renderAs(me, <UsersPage search={{}} onSearch={onSearch} />);
  return onSearch;
}

beforeEach(() => {
  session.begin(tokens('t0'));
  server.use(http.get(api('/roles'), () => HttpResponse.json({ items: roles })));
});

describe('list of users', () => {
  test('it shows who they are, and whether they are active', async () => {
    serveUsers([user(), user({ id: 'u-8', name: 'Alan Turing', is_active: false })]);
    renderPage();
    expect(await screen.findByRole('row', { name: /Grace Hopper.*viewer.*Active/ })).toBeVisible();
    expect(screen.getByRole('row', { name: /Alan Turing.*Deactivated/ })).toBeVisible();
  });

  test('a viewer sees no buttons that they may not use', async () => {
    serveUsers([user()]);
    renderPage(viewer);
    await screen.findByRole('row', { name: /Grace Hopper/ });
    expect(screen.queryByRole('button')).not.toBeInTheDocument();
  });

  test('nobody can deactivate themselves', async () => {
    serveUsers([user({ id: admin.id, name: 'Me' })]);
    renderPage();
    const row = await screen.findByRole('row', { name: /Me/ });
    expect(within(row).queryByRole('button')).not.toBeInTheDocument();
  });

  test('the next page follows by its cursor', async () => {
    server.use(
      http.get(api('/users'), ({ request }) => {
        const isSecond = new URL(request.url).searchParams.get('cursor') === 'c-2';
        return isSecond
          ? HttpResponse.json({ items: [user({ id: 'u-8', name: 'Second' })], next_cursor: null })
          : HttpResponse.json({ items: [user({ name: 'First' })], next_cursor: 'c-2' });
      }),
    );
    renderPage();
    await userEvent.click(await screen.findByRole('button', { name: 'Load more' }));
    expect(await screen.findByText('Second')).toBeVisible();
    expect(screen.getByText('First')).toBeVisible();
    expect(screen.queryByRole('button', { name: 'Load more' })).not.toBeInTheDocument();
  });

  test('a search is sent when typing pauses', async () => {
    serveUsers([]);
    const onSearch = renderPage();
    await userEvent.type(screen.getByRole('searchbox', { name: 'Search' }), 'grace');
    await vi.waitFor(() => expect(onSearch).toHaveBeenCalledWith({ q: 'grace' }));
    expect(onSearch).toHaveBeenCalledTimes(1);
  });

  test('a list that can’t be fetched can be asked for again', async () => {
    server.use(http.get(api('/users'), () => problem(503, 'unavailable', 'The database is away.')));
    renderPage();
    expect(await screen.findByRole('alert')).toHaveTextContent('The database is away.');
    serveUsers([user()]);
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('Grace Hopper')).toBeVisible();
  });
});

describe('one user', () => {
  async function manage(name: string) {
    await userEvent.click(await screen.findByRole('button', { name: `Manage ${name}` }));
    return within(screen.getByRole('dialog', { name }));
  }

  test('deactivating shows the new state, or why it is refused', async () => {
    serveUsers([user()]);
    server.use(
      http.post(api('/users/u-9/deactivate'), () => problem(409, '', 'This is the last admin.'), {
        once: true,
      }),
    );
    renderPage();
    const dialog = await manage('Grace Hopper');
    const button = dialog.getByRole('button', { name: 'Deactivate' });
    await userEvent.click(button);
    expect(await dialog.findByRole('alert')).toHaveTextContent('This is the last admin.');

    server.use(
      http.post(api('/users/u-9/deactivate'), () => {
        serveUsers([user({ is_active: false })]);
        return HttpResponse.json(user({ is_active: false }));
      }),
    );
    await userEvent.click(button);
    expect(await dialog.findByRole('button', { name: 'Activate' })).toBeVisible();
    expect(dialog.getByText('Deactivated')).toBeVisible();
  });

  test('somebody who was invited is marked, and can be invited again', async () => {
    serveUsers([user({ invited: true })]);
    const invited = vi.fn(() => new HttpResponse(null, { status: 202 }));
    server.use(http.post(api('/users/u-9/invite'), invited));
    renderPage();
    expect(await screen.findByRole('row', { name: /Grace Hopper.*Invited/ })).toBeVisible();
    const dialog = await manage('Grace Hopper');
    await userEvent.click(dialog.getByRole('button', { name: 'Resend invitation' }));
    expect(await dialog.findByRole('status')).toHaveTextContent('The invitation is on its way.');
    expect(invited).toHaveBeenCalledTimes(1);
  });

  test('an invitation that can’t be sent says why', async () => {
    serveUsers([user({ invited: true })]);
    server.use(
      http.post(api('/users/u-9/invite'), () => problem(429, '', '', { retryAfter: 120 })),
    );
    renderPage();
    const dialog = await manage('Grace Hopper');
    await userEvent.click(dialog.getByRole('button', { name: 'Resend invitation' }));
    expect(await dialog.findByRole('alert')).toHaveTextContent('Try again in 2 minutes.');
  });

  test('a second factor can be reset where there is one', async () => {
    serveUsers([user({ second_factor: true })]);
    server.use(
      http.post(api('/users/u-9/reset-second-factor'), () => {
        serveUsers([user()]);
        return new HttpResponse(null, { status: 204 });
      }),
    );
    renderPage();
    const dialog = await manage('Grace Hopper');
    const reset = dialog.getByRole('button', { name: 'Reset second factor' });
    await userEvent.click(reset);
    await vi.waitFor(() => expect(reset).not.toBeInTheDocument());
    expect(dialog.queryByRole('button', { name: 'Resend invitation' })).not.toBeInTheDocument();
  });
});

describe('new user', () => {
  async function fill() {
    await userEvent.click(screen.getByRole('button', { name: 'New user' }));
    const dialog = within(screen.getByRole('dialog', { name: 'New user' }));
    await userEvent.type(await dialog.findByRole('textbox', { name: 'Name' }), 'Grace');
    await userEvent.type(dialog.getByRole('textbox', { name: 'Email' }), 'grace@example.com');
    await userEvent.selectOptions(dialog.getByRole('combobox', { name: 'Role' }), 'viewer');
    return dialog;
  }

  /** An API that takes a new user; returns the bodies it gets. */
  function serveCreation() {
    const bodies: unknown[] = [];
    serveUsers([]);
    server.use(
      http.post(api('/users'), async ({ request }) => {
        bodies.push(await request.json());
        serveUsers([user({ name: 'Grace' })]);
        return HttpResponse.json(user(), { status: 201 });
      }),
    );
    return bodies;
  }

  test('a user who is invited chooses the password', async () => {
    const bodies = serveCreation();
    renderPage();
    const dialog = await fill();
    await userEvent.click(dialog.getByRole('button', { name: 'Send invitation' }));
    expect(await screen.findByRole('row', { name: /Grace/ })).toBeVisible();
    expect(screen.queryByRole('dialog')).not.toBeInTheDocument();
    expect(bodies).toEqual([{ name: 'Grace', email: 'grace@example.com', role: 'viewer' }]);
  });

  test('a password can be set instead; a short one is refused', async () => {
    const bodies = serveCreation();
    renderPage();
    const dialog = await fill();
    await userEvent.click(dialog.getByRole('checkbox', { name: /choose their password/ }));
    const password = dialog.getByLabelText('Password');
    await userEvent.type(password, 'short{Enter}');
    await vi.waitFor(() => expect(password).toBeInvalid());
    await userEvent.clear(password);
    await userEvent.type(password, 'a-long-password');
    await userEvent.click(dialog.getByRole('button', { name: 'Create user' }));
    await vi.waitFor(() =>
      expect(bodies).toEqual([
        {
          name: 'Grace',
          email: 'grace@example.com',
          password: 'a-long-password',
          role: 'viewer',
        },
      ]),
    );
  });

  test('a password that was begun is not sent with an invitation', async () => {
    const bodies = serveCreation();
    renderPage();
    const dialog = await fill();
    const invites = dialog.getByRole('checkbox', { name: /choose their password/ });
    await userEvent.click(invites);
    await userEvent.type(dialog.getByLabelText('Password'), 'short');
    await userEvent.click(invites);
    await userEvent.click(dialog.getByRole('button', { name: 'Send invitation' }));
    await vi.waitFor(() => expect(bodies).toHaveLength(1));
    expect(bodies[0]).not.toHaveProperty('password');
  });

  test('a taken email is named at its field', async () => {
    serveUsers([]);
    server.use(http.post(api('/users'), () => problem(409, 'email_taken', 'This one is taken.')));
    renderPage();
    const dialog = await fill();
    await userEvent.click(dialog.getByRole('button', { name: 'Send invitation' }));
    expect(await dialog.findByText('This one is taken.')).toBeVisible();
    expect(dialog.getByRole('textbox', { name: 'Email' })).toHaveAccessibleDescription(
      'This one is taken.',
    );
  });

  test('nobody is offered a role that may do more than they may', async () => {
    serveUsers([]);
    renderPage({ ...viewer, permissions: ['user:read', 'user:write', 'role:read', 'job:read'] });
    await userEvent.click(screen.getByRole('button', { name: 'New user' }));
    const options = within(await screen.findByRole('combobox', { name: 'Role' })).getAllByRole(
      'option',
    );
    expect(options.map((option) => option.textContent)).toEqual(['viewer']);
  });
});
