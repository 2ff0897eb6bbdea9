import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { tokens } from '@/test/data';
import { withLocks } from '@/test/locks';
import { api, problem, server } from '@/test/server';
import { Session } from './session';

const refreshUrl = api('/auth/refresh');

/** Answers refreshes with t1, t2, …; `calls` counts them, `most` is how many were under way at once. */
function serveRefreshes(expiresIn?: number) {
  const seen = { calls: 0, under: 0, most: 0 };
  server.use(
    http.post(refreshUrl, async () => {
      seen.calls += 1;
      seen.under += 1;
      seen.most = Math.max(seen.most, seen.under);
      const access = `t${seen.calls}`;
      await new Promise((resolve) => setTimeout(resolve, 20));
      seen.under -= 1;
      return HttpResponse.json(tokens(access, expiresIn));
    }),
  );
  return seen;
}

describe('session', () => {
  const openTab = () => new Session();

  beforeEach(withLocks);

  test('a page with a living cookie is signed in after loading', async () => {
    serveRefreshes();
    const tab = openTab();
    await tab.restore();
    expect(tab.accessToken).toBe('t1');
  });

  test('a page without a session is signed out after loading, with nothing to explain', async () => {
    server.use(http.post(refreshUrl, () => problem(401, 'unauthorized', 'No session.')));
    const tab = openTab();
    await tab.restore();
    expect(tab.get()).toEqual({ status: 'signed-out', reason: null });
  });

  test.each([
    ['the network is down', () => HttpResponse.error()],
    ['a proxy finds no API', () => new HttpResponse('bad gateway', { status: 502 })],
    ['the rate limit is reached', () => problem(429, 'rate_limited', '')],
  ])('a page keeps the question open when %s', async (_case, answer) => {
    server.use(http.post(refreshUrl, answer));
    const tab = openTab();
    await tab.restore();
    expect(tab.get()).toEqual({ status: 'unreachable' });
  });

  test('refreshes at the same time share one request', async () => {
    const seen = serveRefreshes();
    const tab = openTab();
    tab.begin(tokens('t0'));
    await Promise.all([tab.refresh('t0'), tab.refresh('t0'), tab.refresh('t0')]);
    expect(seen.calls).toBe(1);
    expect(tab.accessToken).toBe('t1');
  });

  test('tabs never use the refresh token at the same time', async () => {
    const seen = serveRefreshes();
    const tabs = [openTab(), openTab(), openTab()];
    await Promise.all(tabs.map((tab) => tab.restore()));
    expect(tabs.map((tab) => tab.get().status)).toEqual(Array(3).fill('signed-in'));
    expect(seen.most).toBe(1);
  });

  test('a tab takes over the access token that another tab fetched', async () => {
    const seen = serveRefreshes();
    const [first, second] = [openTab(), openTab()];
    first.begin(tokens('t0'));
    await vi.waitFor(() => expect(second.accessToken).toBe('t0'));
    await first.refresh('t0');
    await vi.waitFor(() => expect(second.accessToken).toBe('t1'));
    await second.refresh('t0');
    expect(seen.calls).toBe(1);
  });

  test('signing out signs out every tab', async () => {
    const [first, second] = [openTab(), openTab()];
    first.begin(tokens('t0'));
    await vi.waitFor(() => expect(second.accessToken).toBe('t0'));
    first.end('asked');
    await vi.waitFor(() => expect(second.get()).toEqual({ status: 'signed-out', reason: 'asked' }));
  });

  test('a refresh that was under way when one signed out does not sign in again', async () => {
    const tab = openTab();
    server.use(
      http.post(refreshUrl, () => {
        tab.end('asked');
        return HttpResponse.json(tokens('t1'));
      }),
    );
    tab.begin(tokens('t0'));
    await tab.refresh('t0');
    expect(tab.get()).toEqual({ status: 'signed-out', reason: 'asked' });
  });

  test('a refresh that the API refuses ends the session', async () => {
    server.use(http.post(refreshUrl, () => problem(401, 'token_reused', 'Sign in again.')));
    const tab = openTab();
    tab.begin(tokens('t0'));
    await expect(tab.refresh('t0')).rejects.toThrow('Sign in again.');
    expect(tab.get()).toEqual({ status: 'signed-out', reason: 'expired' });
  });

  test('a refresh that fails on the way keeps the session', async () => {
    server.use(http.post(refreshUrl, () => HttpResponse.error()));
    const tab = openTab();
    tab.begin(tokens('t0'));
    await expect(tab.refresh('t0')).rejects.toThrow();
    expect(tab.accessToken).toBe('t0');
  });

  test('the access token is renewed before it expires', async () => {
    serveRefreshes();
    const tab = openTab();
    tab.begin(tokens('t0', 0.1));
    await vi.waitFor(() => expect(tab.accessToken).toMatch(/t[1-9]/));
  });

  test('a page lets the refresh of its predecessor finish, whose cookie is still on its way', async () => {
    serveRefreshes();
    const started = Date.now() - 1_400;
    localStorage.setItem('session.refreshing', String(started));
    const tab = openTab();
    await tab.restore();
    expect(Date.now() - started).toBeGreaterThanOrEqual(1_500);
    expect(tab.accessToken).toBe('t1');
  });
});
