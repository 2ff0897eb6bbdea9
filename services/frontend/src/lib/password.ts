import * as z from 'zod/mini';

/** A password to be set. The API checks more, such as whether it is a common one. */
export const newPassword = z.string().check(z.minLength(12, 'Use at least 12 characters.'));

/** Tells whoever sets one, before they try. */
export const newPasswordHint = 'At least 12 characters.';

/** Refuses a form whose `repeated` differs from its `new_password`. */
export const isRepeated = z.refine<{ new_password: string; repeated: string }>(
  (values) => values.new_password === values.repeated,
  { path: ['repeated'], message: 'The two new passwords differ.' },
);
