import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';
import * as z from 'zod/mini';
import type { Me, Permission } from '@/client';
import { Loading } from '@/components/page';
import { userSearch } from '@/features/users/search';
import { takeMailLink } from '@/lib/mail-link';
import { MissingPermission } from '@/lib/problem';
import { session } from '@/lib/session';
import { AppError, NotFound, RouteError } from './error-pages';

const root = createRootRoute({ errorComponent: AppError });

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  // Only a path of this site: never lead to another one.
  validateSearch: z.object({
    next: z.catch(z.optional(z.string().check(z.regex(/^\/(?![/\\])/))), undefined),
  }),
  beforeLoad: ({ search }) => {
    if (session.accessToken !== null) redirect({ href: search.next ?? '/', throw: true });
  },
  component: lazyRouteComponent(
    () => import('@/features/auth/components/sign-in-page'),
    'SignInPage',
  ),
});

const forgotPassword = createRoute({
  getParentRoute: () => root,
  path: '/forgot-password',
  component: lazyRouteComponent(
    () => import('@/features/auth/components/forgot-password-page'),
    'ForgotPasswordPage',
  ),
});

/** Where links in mails lead, whoever is signed in here. */
const setPassword = createRoute({
  getParentRoute: () => root,
  path: '/set-password',
  beforeLoad: ({ location }) => {
    // The address would stay in the browser's history: it loses the token before anything else happens.
    if (takeMailLink(location.hash)) redirect({ to: '/set-password', replace: true, throw: true });
  },
  component: lazyRouteComponent(
    () => import('@/features/auth/components/set-password-page'),
    'SetPasswordPage',
  ),
});

/** All that needs a session. */
const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  beforeLoad: async ({ location }) => {
    if (session.accessToken === null) {
      redirect({ to: '/sign-in', search: { next: location.href }, throw: true });
    }
    const { loadMe } = await import('./load-me');
    return { me: await loadMe() };
  },
  component: lazyRouteComponent(() => import('./shell'), 'Shell'),
  errorComponent: AppError,
});

/** Refuses a route to users without `permission`. */
const need =
  (permission: Permission) =>
  ({ context }: { context: { me: Me } }) => {
    if (!context.me.permissions.includes(permission)) throw new MissingPermission(permission);
  };

const home = createRoute({
  getParentRoute: () => shell,
  path: '/',
  beforeLoad: ({ context: { me } }) => {
    if (me.permissions.includes('user:read')) redirect({ to: '/users', throw: true });
    redirect({ to: me.permissions.includes('job:read') ? '/exports' : '/account', throw: true });
  },
});

const users = createRoute({
  getParentRoute: () => shell,
  path: '/users',
  validateSearch: userSearch,
  beforeLoad: need('user:read'),
  component: lazyRouteComponent(() => import('./users-route'), 'UsersRoute'),
});

const exports = createRoute({
  getParentRoute: () => shell,
  path: '/exports',
  beforeLoad: need('job:read'),
  component: lazyRouteComponent(
    () => import('@/features/exports/components/exports-page'),
    'ExportsPage',
  ),
});

const failedJobs = createRoute({
  getParentRoute: () => shell,
  path: '/exports/failed',
  beforeLoad: need('job:manage'),
  component: lazyRouteComponent(
    () => import('@/features/exports/components/failed-jobs-page'),
    'FailedJobsPage',
  ),
});

const audit = createRoute({
  getParentRoute: () => shell,
  path: '/audit',
  beforeLoad: need('audit:read'),
  component: lazyRouteComponent(
    () => import('@/features/audit/components/audit-page'),
    'AuditPage',
  ),
});

const account = createRoute({
  getParentRoute: () => shell,
  path: '/account',
  component: lazyRouteComponent(
    () => import('@/features/account/components/account-page'),
    'AccountPage',
  ),
});

const routeTree = root.addChildren([
  signIn,
  forgotPassword,
  setPassword,
  shell.addChildren([home, users, exports, failedJobs, audit, account]),
]);

export const router = createRouter({
  routeTree,
  defaultPreload: 'intent',
  defaultPendingComponent: Loading,
  defaultErrorComponent: RouteError,
  defaultNotFoundComponent: NotFound,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  // eslint-disable-next-line @typescript-eslint/consistent-type-definitions -- only interfaces merge
  interface Register {
    router: typeof router;
  }
}
