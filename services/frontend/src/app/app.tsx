import { RouterProvider } from '@tanstack/react-router';
import { useEffect } from 'react';
import { onUserChange, session } from '@/lib/session';
import { useStore } from '@/lib/store';
import { router } from './router';
import { Splash } from './splash';

/** The whole page: waits for the session, then follows it. */
export function App() {
  const status = useStore(session, (state) => state.status);
  useEffect(() => onUserChange(() => void router.invalidate()), []);
  if (status === 'restoring' || status === 'unreachable') return <Splash status={status} />;
  return <RouterProvider router={router} />;
}
