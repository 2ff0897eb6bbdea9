/** What the API says of itself. */
export type SystemInfo = {
  readonly name: string;
  readonly version: string;
  readonly environment: 'development' | 'production';
};

/** A failure in words for people. */
export class ApiError extends Error {
  override name = 'ApiError';
}

/** @throws {ApiError} */
export function readSystemInfo(signal: AbortSignal): Promise<SystemInfo> {
  return get<SystemInfo>('/api/v1/system/info', signal);
}

/** The path goes to this page's own server, which passes it on to the API. */
async function get<T>(path: string, signal: AbortSignal): Promise<T> {
  const response = await fetch(path, { signal }).catch((cause: unknown) => {
    throw new ApiError('The server cannot be reached.', { cause });
  });
  if (!response.ok) throw new ApiError(await describe(response));
  return (await response.json()) as T;
}

/** Errors of the API are problem details (RFC 9457); a proxy may answer with anything. */
async function describe(response: Response): Promise<string> {
  const problem = (await response.json().catch(() => ({}))) as { detail?: unknown };
  if (typeof problem.detail === 'string') return problem.detail;
  return `The API does not answer as it should (${response.status}).`;
}
