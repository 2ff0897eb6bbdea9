import { QueryClientProvider } from '@tanstack/react-query';
import { Link, type LinkProps, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { Logo } from '@/components/logo';
import { useFollowJobs } from '@/features/exports/api/follow-jobs';
import { useMay } from '@/lib/me';
import { queryClient } from '@/lib/query';
import { onUserChange, session } from '@/lib/session';
import { UserMenu } from './user-menu';

/** What surrounds every page of somebody who is signed in. */
export function Shell() {
  return (
    <QueryClientProvider client={queryClient}>
      <Frame />
    </QueryClientProvider>
  );
}

/** Head with navigation, and the page below. */
function Frame() {
  const maySeeUsers = useMay('user:read');
  const maySeeJobs = useMay('job:read');
  const maySeeAudit = useMay('audit:read');
  const main = useFocusOnNavigation();
  useForgetfulCache();
  useFollowJobs(maySeeJobs);
  return (
    <>
      <a
        href="#main"
        className="bg-surface text-accent sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-10 focus:p-3"
      >
        Skip to content
      </a>
      <header className="border-line bg-surface border-b">
        <div className="mx-auto flex max-w-5xl flex-wrap items-center gap-x-6 px-4 sm:flex-nowrap sm:px-6">
          <Link to="/" className="flex py-4">
            <Logo />
          </Link>
          <nav
            aria-label="Main"
            className="order-last flex w-full gap-1 sm:order-none sm:w-auto sm:flex-1"
          >
            {maySeeUsers && <NavLink to="/users">Users</NavLink>}
            {maySeeJobs && <NavLink to="/exports">Exports</NavLink>}
            {maySeeAudit && <NavLink to="/audit">Audit log</NavLink>}
          </nav>
          <UserMenu />
        </div>
      </header>
      <main
        ref={main}
        id="main"
        tabIndex={-1}
        className="mx-auto max-w-5xl px-4 py-8 sm:px-6 sm:py-10"
      >
        <Outlet />
      </main>
    </>
  );
}

function NavLink(props: LinkProps) {
  return (
    <Link
      {...props}
      className="text-muted hover:text-ink aria-[current=page]:border-accent aria-[current=page]:text-ink -mb-px border-b-2 border-transparent px-3 py-3 text-sm font-medium sm:py-5"
      activeOptions={{ includeSearch: false }}
    />
  );
}

/** Moves the focus to the content when the page changes, as a full page load would. */
function useFocusOnNavigation() {
  const main = useRef<HTMLElement>(null);
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const before = useRef(path);
  useEffect(() => {
    if (before.current !== path) main.current?.focus();
    before.current = path;
  }, [path]);
  return main;
}

/** What was fetched belongs to one user: forgets it when they leave, and when another one signs in elsewhere. */
function useForgetfulCache() {
  useEffect(() => {
    const stop = onUserChange(() => {
      if (session.accessToken !== null) queryClient.clear();
    });
    return () => {
      stop();
      if (session.accessToken === null) queryClient.clear();
    };
  }, []);
}
