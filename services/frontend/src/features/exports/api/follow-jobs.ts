import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import type { JobOut } from '@/client';
import { followEvents } from '@/lib/events';
import { jobsQuery } from './list-jobs';
import { putJob } from './put-job';

/** Keeps the jobs in the cache up to date by the API's events, while the tab is visible. */
export function useFollowJobs(enabled: boolean): void {
  const queryClient = useQueryClient();
  useEffect(() => {
    if (!enabled) return undefined;
    let stop = new AbortController();
    // Browsers allow six HTTP/1.1 connections to a server: tabs in the background must not use them up.
    const followWhileVisible = () => {
      stop.abort();
      stop = new AbortController();
      if (document.visibilityState === 'visible') void follow(stop.signal);
    };
    const follow = (signal: AbortSignal) =>
      followEvents(({ event, data }) => {
        if (event === 'ready') void queryClient.invalidateQueries({ queryKey: jobsQuery.queryKey });
        if (event === 'job') putJob(queryClient, JSON.parse(data) as JobOut);
      }, signal);
    followWhileVisible();
    document.addEventListener('visibilitychange', followWhileVisible);
    return () => {
      document.removeEventListener('visibilitychange', followWhileVisible);
      stop.abort();
    };
  }, [enabled, queryClient]);
}
