import type { CreateClientConfig } from '@/client/client.gen';
import { ApiError, fetchOrThrow } from './problem';
import { session } from './session';

/**
 * `fetch` with the access token. A refused token is renewed and the request sent once more.
 * Throws an `ApiError` unless the API answered with success.
 */
export async function apiFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  const token = session.accessToken;
  if (token === null) return fetchOrThrow(request);
  const again = request.clone();
  try {
    return await fetchOrThrow(withToken(request, token));
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 401)) throw error;
    if (session.accessToken === token) await session.refresh(token);
    if (session.accessToken === null) throw error;
    return fetchOrThrow(withToken(again, session.accessToken));
  }
}

function withToken(request: Request, token: string): Request {
  request.headers.set('Authorization', `Bearer ${token}`);
  return request;
}

/** Read by the generated client. */
export const createClientConfig: CreateClientConfig = (config) => ({
  ...config,
  baseUrl: location.origin,
  fetch: apiFetch,
});
