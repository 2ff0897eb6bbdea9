import { Link } from '@tanstack/react-router';
import { type FocusEvent, type KeyboardEvent, useRef, useState } from 'react';
import { SignOutButton } from '@/features/auth/components/sign-out-button';
import { useMe } from '@/lib/me';

/** What is one's own, under one's name: the account, and the way out. */
export function UserMenu() {
  const me = useMe();
  const [open, setOpen] = useState(false);
  const toggle = useRef<HTMLButtonElement>(null);
  const closeOnEscape = ({ key }: KeyboardEvent) => {
    if (key !== 'Escape') return;
    setOpen(false);
    toggle.current?.focus();
  };
  const closeOnLeave = ({ currentTarget, relatedTarget }: FocusEvent) => {
    if (!currentTarget.contains(relatedTarget)) setOpen(false);
  };
  return (
    // eslint-disable-next-line jsx-a11y-x/no-static-element-interactions -- it hears the keys of the buttons within
    <div className="relative ml-auto min-w-0" onKeyDown={closeOnEscape} onBlur={closeOnLeave}>
      <button
        ref={toggle}
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="hover:bg-accent-soft -mr-3 flex min-h-10 max-w-56 cursor-pointer items-center gap-2 rounded-lg px-3 text-sm font-medium"
      >
        <span className="truncate">{me.name}</span>
        <svg
          aria-hidden="true"
          viewBox="0 0 16 16"
          className="text-muted size-4 shrink-0 fill-none stroke-current stroke-2"
        >
          <path d="M4 6l4 4 4-4" />
        </svg>
      </button>
      {open && (
        <div className="border-line bg-surface absolute right-0 z-10 mt-1 grid w-48 rounded-xl border p-2 shadow-xl">
          <Link
            to="/account"
            onClick={() => setOpen(false)}
            className="hover:bg-accent-soft text-accent flex min-h-10 items-center justify-center rounded-lg px-4 text-sm font-medium"
          >
            Your account
          </Link>
          <SignOutButton />
        </div>
      )}
    </div>
  );
}
