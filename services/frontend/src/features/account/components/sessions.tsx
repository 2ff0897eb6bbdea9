import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { SessionOut } from '@/client';
import { Ago } from '@/components/ago';
import { Badge } from '@/components/badge';
import { Button } from '@/components/button';
import { ConfirmDialog } from '@/components/confirm-dialog';
import { ErrorAlert } from '@/components/notice';
import { Loading } from '@/components/page';
import { formatDateTime } from '@/lib/format';
import { useEndSession } from '../api/end-session';
import { sessionsQuery } from '../api/list-sessions';
import { useSignOutEverywhere } from '../api/sign-out-everywhere';
import { nameOfDevice } from '../device';

/** The devices on which one is signed in, and how to sign them out. */
export function Sessions() {
  const sessions = useQuery(sessionsQuery);
  const [asking, setAsking] = useState(false);
  if (sessions.isPending) return <Loading />;
  return (
    <div className="grid gap-5">
      <ErrorAlert error={sessions.error} onRetry={() => void sessions.refetch()} />
      {sessions.data && <SessionList sessions={sessions.data.items} />}
      <div>
        <Button onClick={() => setAsking(true)}>Sign out everywhere</Button>
      </div>
      {asking && <SignOutEverywhere onClose={() => setAsking(false)} />}
    </div>
  );
}

function SessionList({ sessions }: { sessions: SessionOut[] }) {
  const end = useEndSession();
  return (
    <>
      <ErrorAlert error={end.error} />
      <ul aria-label="Sessions" className="divide-line -my-3 divide-y">
        {sessions.map((session) => (
          <li key={session.id} className="flex items-center justify-between gap-4 py-3">
            <div className="grid min-w-0 gap-1 text-sm">
              <p className="flex flex-wrap items-center gap-x-3 gap-y-1 font-medium">
                {nameOfDevice(session.user_agent)}
                {session.current && <Badge tone="accent">This device</Badge>}
              </p>
              <p className="text-muted break-words">
                Used <Ago time={session.last_used_at} />
                {session.address && ` from ${session.address}`} · signed in{' '}
                {formatDateTime(session.created_at)}
              </p>
            </div>
            {!session.current && (
              <Button
                look="danger"
                aria-label={`Sign out ${nameOfDevice(session.user_agent)}`}
                busy={end.isPending && end.variables === session.id}
                onClick={() => end.mutate(session.id)}
              >
                Sign out
              </Button>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

function SignOutEverywhere({ onClose }: { onClose: () => void }) {
  const signOut = useSignOutEverywhere();
  return (
    <ConfirmDialog
      title="Sign out everywhere?"
      confirm="Sign out everywhere"
      action={signOut}
      onClose={onClose}
    >
      You will be signed out on every device, this one too.
    </ConfirmDialog>
  );
}
