import { HttpResponse } from 'msw/http';
import { setupServer } from 'msw/node';

/** The network as the page sees it; each test adds its own handlers. */
export const server = setupServer();

export const api = (path: string) => `${location.origin}/api/v1${path}`;

/** An error as the API writes it. */
export function problem(
  status: number,
  code: string,
  detail: string,
  {
    errors,
    retryAfter,
  }: { errors?: { field: string; message: string }[]; retryAfter?: number } = {},
) {
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' };
  if (retryAfter !== undefined) headers['Retry-After'] = String(retryAfter);
  const body = { title: '', status, code, detail, instance: '', request_id: 'r-1', errors };
  return HttpResponse.json(body, { status, headers });
}
