import type { UserOut } from '@/client';
import { Badge } from '@/components/badge';

/** Whether somebody can sign in; who was invited can, once they have chosen a password. */
export function UserStatus({ user }: { user: UserOut }) {
  if (!user.is_active) return <Badge tone="neutral">Deactivated</Badge>;
  if (user.invited) return <Badge tone="accent">Invited</Badge>;
  return <Badge tone="success">Active</Badge>;
}
