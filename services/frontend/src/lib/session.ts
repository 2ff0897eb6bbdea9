/**
 * Who is signed in, in all tabs of this browser.
 *
 * | status      | meaning                           | becomes                                         |
 * | ----------- | --------------------------------- | ----------------------------------------------- |
 * | restoring   | the first refresh is under way    | signed-in, signed-out or unreachable            |
 * | unreachable | the first refresh got no answer   | restoring, when the user tries again            |
 * | signed-in   | an access token is held in memory | signed-out, by the user, the API or another tab |
 * | signed-out  | no session                        | signed-in, here or in another tab               |
 */
import type { TokenPair } from '@/client';
import { ApiError } from './problem';
import { exchangeRefreshToken, exclusively } from './refresh-token';
import { Store } from './store';

type Access = { accessToken: string; expiresAt: number };

type SignedOutReason = 'asked' | 'asked-everywhere' | 'expired' | 'password-changed';

export type SessionState =
  | { status: 'restoring' | 'unreachable' }
  /** `signIn` counts sign-ins: where it differs, another person may sit here. */
  | ({ status: 'signed-in'; signIn: number } & Access)
  | { status: 'signed-out'; reason: SignedOutReason | null };

type Message =
  | { type: 'signed-in' | 'refreshed'; access: Access }
  | { type: 'signed-out'; reason: SignedOutReason };

/** Renew at least so long before the access token expires: ms. */
const RENEWAL_MARGIN = 60_000;

export class Session extends Store<SessionState> {
  readonly #channel = new BroadcastChannel('session');
  #refreshing: Promise<void> | null = null;
  #renewal: ReturnType<typeof setTimeout> | undefined;
  #signIns = 0;

  constructor() {
    super({ status: 'restoring' });
    this.#channel.onmessage = ({ data }: MessageEvent<Message>) => {
      if (data.type === 'signed-out') this.#forget(data.reason);
      else this.#hold(data.access, data.type);
    };
  }

  get accessToken(): string | null {
    const state = this.get();
    return state.status === 'signed-in' ? state.accessToken : null;
  }

  /** Looks whether the browser still holds a session. Does not throw: the outcome is the state. */
  async restore(): Promise<void> {
    this.set({ status: 'restoring' });
    await this.refresh(null).catch((error: unknown) => {
      const isOpen = this.get().status === 'restoring';
      if (isOpen && !isRefusal(error)) this.set({ status: 'unreachable' });
    });
  }

  /** Starts the session that a sign-in returned, in every tab. */
  begin(tokens: TokenPair): void {
    this.#share('signed-in', tokens);
  }

  /** Ends the session in every tab. */
  end(reason: SignedOutReason): void {
    this.#forget(reason);
    this.#tell({ type: 'signed-out', reason });
  }

  /**
   * Replaces the access token `stale`; calls at the same time share one request.
   * Throws an `ApiError`; where the API refuses, the session is over.
   */
  refresh(stale: string | null): Promise<void> {
    this.#refreshing ??= exclusively(() => this.#replace(stale)).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #replace(stale: string | null): Promise<void> {
    // Another tab may have done it while this one waited.
    if (this.accessToken !== stale) return;
    try {
      const tokens = await exchangeRefreshToken();
      // Somebody signed out meanwhile: these tokens are dead.
      if (this.get().status === 'signed-out') return;
      this.#share('refreshed', tokens);
    } catch (error) {
      const isStillStale = this.accessToken === stale;
      if (isStillStale && isRefusal(error)) this.#forget(stale === null ? null : 'expired');
      throw error;
    }
  }

  #share(type: 'signed-in' | 'refreshed', tokens: TokenPair): void {
    const expiresAt = Date.now() + tokens.expires_in * 1_000;
    const access = { accessToken: tokens.access_token, expiresAt };
    this.#hold(access, type);
    this.#tell({ type, access });
  }

  #hold(access: Access, type: 'signed-in' | 'refreshed'): void {
    if (type === 'signed-in') this.#signIns += 1;
    this.set({ status: 'signed-in', signIn: this.#signIns, ...access });
    clearTimeout(this.#renewal);
    const lifetime = access.expiresAt - Date.now();
    this.#renewal = setTimeout(
      () => {
        // Should it fail, the next request meets a 401 and tries again.
        this.refresh(access.accessToken).catch(() => undefined);
      },
      // At random, so that one tab is the first and tells the others.
      Math.max(lifetime - RENEWAL_MARGIN * (1 + Math.random()), lifetime / 2),
    );
  }

  #forget(reason: SignedOutReason | null): void {
    clearTimeout(this.#renewal);
    this.set({ status: 'signed-out', reason });
  }

  #tell(message: Message): void {
    this.#channel.postMessage(message);
  }
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429
  );
}

export const session = new Session();

/** Calls `listener` when somebody signs in or out, here or in another tab. Returns how to stop that. */
export function onUserChange(listener: () => void): () => void {
  let before = userOf(session.get());
  return session.subscribe(() => {
    const user = userOf(session.get());
    if (user === before) return;
    before = user;
    listener();
  });
}

function userOf(state: SessionState): string {
  return state.status === 'signed-in' ? `signed-in ${state.signIn}` : state.status;
}
