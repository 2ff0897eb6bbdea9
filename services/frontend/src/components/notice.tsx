import type { ReactNode } from 'react';
import { describeError } from '@/lib/problem';
import { Button } from './button';

const tones = {
  danger: 'bg-danger-soft text-danger',
  info: 'bg-accent-soft text-ink',
  warning: 'bg-warning-soft text-warning',
};

type Props = {
  tone: keyof typeof tones;
  /** How screen readers hear it: `alert` at once, `status` in the next pause, without a role where they get to it. */
  role?: 'alert' | 'status';
  children: ReactNode;
  action?: ReactNode;
};

/** A message that stands out. */
export function Notice({ tone, role, children, action }: Props) {
  return (
    <div
      role={role}
      className={`flex flex-wrap items-center justify-between gap-x-4 gap-y-2 rounded-lg px-4 py-3 text-sm ${tones[tone]}`}
    >
      <p className="min-w-0 break-words">{children}</p>
      {action}
    </div>
  );
}

/** Says why something failed and, where it can help, offers to try again. Shows nothing without an error. */
export function ErrorAlert({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  if (error === null || error === undefined) return null;
  return (
    <Notice
      tone="danger"
      role="alert"
      action={onRetry && <Button onClick={onRetry}>Try again</Button>}
    >
      {describeError(error)}
    </Notice>
  );
}
