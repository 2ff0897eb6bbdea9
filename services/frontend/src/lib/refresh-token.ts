/**
 * Use of the refresh token: an HttpOnly cookie, shared by all tabs, that the API rotates on every use. When an old
 * one comes back, the API takes it for stolen and ends the session. So two tabs must never send the same one, and
 * neither must a page that is reloaded while its refresh is under way.
 */
import type { TokenPair } from '@/client';
import { fetchOrThrow } from './problem';

/** Where a page notes that it refreshes; the note outlives a page that goes away amid it. */
const MARK = 'session.refreshing';
/** How long a refresh may live on without its page: ms. */
const ORPHAN_LIFETIME = 1_500;
/** A refresh that hangs must not hold up all tabs for longer: ms. */
const TIMEOUT = 15_000;

/** Runs `action` while no other tab runs one. What needs a refresh may not be within: it would wait for itself. */
export function exclusively<T>(action: () => Promise<T>): Promise<T> {
  // Browsers offer locks on HTTPS and localhost only; elsewhere tabs take their chance.
  const locks = (navigator as { locks?: LockManager }).locks;
  return locks ? locks.request('session', action) : action();
}

/** Exchanges the cookie for new tokens; call it `exclusively`. Throws an `ApiError`. */
export async function exchangeRefreshToken(): Promise<TokenPair> {
  await orphanedRefresh();
  localStorage.setItem(MARK, String(Date.now()));
  try {
    const url = new URL('/api/v1/auth/refresh', location.origin);
    // With keepalive the new cookie is stored even if this page is left before the answer.
    const init = { method: 'POST', keepalive: true, signal: AbortSignal.timeout(TIMEOUT) };
    const response = await fetchOrThrow(new Request(url, init));
    return (await response.json()) as TokenPair;
  } finally {
    localStorage.removeItem(MARK);
  }
}

async function orphanedRefresh(): Promise<void> {
  const age = Date.now() - Number(localStorage.getItem(MARK));
  if (age < 0 || age > ORPHAN_LIFETIME) return;
  await new Promise((resolve) => setTimeout(resolve, ORPHAN_LIFETIME - age));
}
