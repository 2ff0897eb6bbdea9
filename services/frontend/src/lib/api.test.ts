import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test } from 'vitest';
import { changePassword, listUsers, login } from '@/client';
import { tokens } from '@/test/data';
import { api, problem, server } from '@/test/server';
import { session } from './session';

let refreshes: number;

/** An API that takes `fresh` only, and hands it out on a refresh. */
beforeEach(() => {
  refreshes = 0;
  server.use(
    http.post(api('/auth/refresh'), () => {
      refreshes += 1;
      return HttpResponse.json(tokens('fresh'));
    }),
    http.get(api('/users'), ({ request }) =>
      request.headers.get('Authorization') === 'Bearer fresh'
        ? HttpResponse.json({ items: [], next_cursor: null })
        : problem(401, 'unauthorized', 'The token has expired.'),
    ),
  );
  session.begin(tokens('stale'));
});

describe('requests', () => {
  test('many requests with an expired token lead to one refresh and all succeed', async () => {
    const pages = await Promise.all(Array.from({ length: 5 }, () => listUsers()));
    expect(pages).toHaveLength(5);
    expect(refreshes).toBe(1);
  });

  test('a repeated request carries its body again', async () => {
    const bodies: unknown[] = [];
    server.use(
      http.post(api('/auth/password'), async ({ request }) => {
        bodies.push(await request.json());
        const isFresh = request.headers.get('Authorization') === 'Bearer fresh';
        return isFresh ? new HttpResponse(null, { status: 204 }) : problem(401, '', '');
      }),
    );
    const body = { current_password: 'a', new_password: 'b' };
    await changePassword({ body });
    expect(bodies).toEqual([body, body]);
  });

  test('a request fails and the session ends when the refresh is refused', async () => {
    server.use(http.post(api('/auth/refresh'), () => problem(401, 'unauthorized', 'Over.')));
    await expect(listUsers()).rejects.toMatchObject({ status: 401 });
    expect(session.get()).toEqual({ status: 'signed-out', reason: 'expired' });
  });

  test('a wrong password at sign-in starts no refresh', async () => {
    session.end('asked');
    server.use(http.post(api('/auth/login'), () => problem(401, 'invalid', 'Wrong password.')));
    await expect(login({ body: { email: 'a@b.c', password: 'x' } })).rejects.toThrow('Wrong');
    expect(refreshes).toBe(0);
  });
});
