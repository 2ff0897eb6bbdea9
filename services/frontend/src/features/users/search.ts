import * as z from 'zod/mini';
import type { UserFilter } from './api/list-users';

/** The list's state in the address bar; what is not understood there falls back to the default. */
export const userSearch = z.object({
  q: z.catch(z.optional(z.string()), undefined),
  sort: z.catch(
    z.optional(z.enum(['name', '-name', 'email', '-email', 'created_at', '-created_at'])),
    undefined,
  ),
  status: z.catch(z.optional(z.enum(['active', 'deactivated'])), undefined),
});

export type UserSearch = z.infer<typeof userSearch>;

export function toFilter({ q, sort, status }: UserSearch): UserFilter {
  return { q, sort: sort ?? 'name', is_active: status && status === 'active' };
}
