import { login, type LoginRequest } from '@/client';
import { ApiError } from '@/lib/problem';
import { session } from '@/lib/session';

/**
 * Starts a session. Answers whether it is still missing: the password is right, but the user has a second factor, so
 * that a `code` is needed. Throws an `ApiError` when the API refuses.
 */
export async function signIn(body: LoginRequest): Promise<{ needsCode: boolean }> {
  try {
    session.begin(await login({ body }));
    return { needsCode: false };
  } catch (error) {
    if (error instanceof ApiError && error.code === 'second_factor_required') {
      return { needsCode: true };
    }
    throw error;
  }
}
