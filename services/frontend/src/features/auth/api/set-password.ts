import { confirmPasswordReset } from '@/client';
import { ApiError } from '@/lib/problem';
import { session } from '@/lib/session';

/**
 * Sets the password of whom the link was mailed to. The API ends all their sessions.
 * Answers whether the link still served. Throws an `ApiError` where something else is wrong.
 */
export async function setPassword(token: string, new_password: string): Promise<boolean> {
  try {
    await confirmPasswordReset({ body: { token, new_password } });
  } catch (error) {
    if (error instanceof ApiError && error.code === 'link_invalid') return false;
    throw error;
  }
  session.end('password-changed');
  return true;
}
