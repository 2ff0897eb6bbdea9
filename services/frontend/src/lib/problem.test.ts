import { http, HttpResponse } from 'msw/http';
import { expect, test } from 'vitest';
import { api, problem, server } from '@/test/server';
import { describeError, fetchOrThrow } from './problem';

test.each([
  ['no network', () => HttpResponse.error(), /can’t be reached/],
  ['a proxy without API', () => new HttpResponse('', { status: 500 }), /can’t be reached/],
  ['a rate limit', () => problem(429, 'rate_limited', '', { retryAfter: 42 }), /in 42 seconds/],
  ['a rate limit without a time', () => problem(429, 'rate_limited', ''), /in a minute/],
  [
    'a missing permission',
    () => problem(403, '', 'Needs user:write.'),
    /user:write.*administrator/,
  ],
  ['a conflict', () => problem(409, '', 'This is the last admin.'), /^This is the last admin\.$/],
  ['a fault', () => problem(500, 'internal_error', 'Oops'), /failed.*request r-1/],
])('says what to do after %s', async (_case, answer, words) => {
  server.use(http.get(api('/users'), answer));
  const error: unknown = await fetchOrThrow(new Request(api('/users'))).catch((e: unknown) => e);
  expect(describeError(error)).toMatch(words);
});
