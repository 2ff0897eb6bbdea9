import { login, type LoginRequest } from '@/client';
import { session } from '@/lib/session';

/** Throws an `ApiError` when the API refuses. */
export async function signIn(body: LoginRequest): Promise<void> {
  session.begin(await login({ body }));
}
