import * as z from 'zod/mini';

/** A password to be set. The API checks more, such as whether it is a common one. */
export const newPassword = z.string().check(z.minLength(12, 'Use at least 12 characters.'));
