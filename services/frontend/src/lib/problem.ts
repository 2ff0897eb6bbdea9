import type { FieldError, Problem } from '@/client';
import { formatWait } from './format';

/** A request that failed. `status` is 0 when no answer of the API came back. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly fields: FieldError[];
  readonly requestId: string | null;
  /** Seconds to wait before the next try, where the API says so. */
  readonly retryAfter: number | null;

  constructor(problem: Partial<Problem>, retryAfter: number | null = null) {
    super(problem.detail ?? '');
    this.name = 'ApiError';
    this.status = problem.status ?? 0;
    this.code = problem.code ?? '';
    this.fields = problem.errors ?? [];
    this.requestId = problem.request_id ?? null;
    this.retryAfter = retryAfter;
  }
}

export function isUnreachable(error: unknown): boolean {
  return error instanceof ApiError && error.status === 0;
}

/** A route that the user may not open. */
export class MissingPermission extends ApiError {
  constructor(permission: string) {
    super({ status: 403, detail: `You need the permission ${permission} to see this page.` });
  }
}

/** Like `fetch`, but throws an `ApiError` unless the API answered with success. */
export async function fetchOrThrow(request: Request): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(request);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError({});
  }
  if (!response.ok) throw await toApiError(response);
  return response;
}

async function toApiError(response: Response): Promise<ApiError> {
  const isProblem = response.headers.get('Content-Type')?.includes('problem+json') ?? false;
  // Proxies answer 500, 502 or 504 in their own words while the API is away.
  if (!isProblem) return new ApiError({ status: response.status >= 500 ? 0 : response.status });
  const problem = (await response.json()) as Partial<Problem>;
  const retryAfter = Number(response.headers.get('Retry-After'));
  return new ApiError({ ...problem, status: response.status }, retryAfter || null);
}

/** Says in plain words what went wrong and what to do about it. */
export function describeError(error: unknown): string {
  if (!(error instanceof ApiError)) return 'Something went wrong in this page. Reload it.';
  if (error.status === 0) return 'The API can’t be reached. Wait a moment, then try again.';
  if (error.status === 429) return `Too many attempts. Try again in ${waitOf(error)}.`;
  if (error.status === 403) return `${error.message} Ask an administrator for the permission.`;
  if (error.status === 500) return `The API failed. Try again${referenceOf(error)}.`;
  return error.message || 'The API refused this. Check what you entered.';
}

function waitOf({ retryAfter }: ApiError): string {
  return retryAfter === null ? 'a minute' : formatWait(retryAfter);
}

function referenceOf({ requestId }: ApiError): string {
  return requestId === null ? '' : `; if it keeps failing, report request ${requestId}`;
}
