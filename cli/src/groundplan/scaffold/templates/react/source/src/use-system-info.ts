import { useCallback, useEffect, useState } from 'react';
import { ApiError, readSystemInfo, type SystemInfo } from './api.ts';

export type Answer =
  | { readonly state: 'loading' }
  | { readonly state: 'failed'; readonly message: string }
  | { readonly state: 'loaded'; readonly info: SystemInfo };

/** Asks the API once, and again on `retry`. */
export function useSystemInfo(): { answer: Answer; retry: () => void } {
  const [answer, setAnswer] = useState<Answer>({ state: 'loading' });
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    const gone = new AbortController();
    readSystemInfo(gone.signal).then(
      (info) => {
        setAnswer({ state: 'loaded', info });
      },
      (error: unknown) => {
        if (gone.signal.aborted) return;
        const message = error instanceof ApiError ? error.message : 'Something went wrong.';
        setAnswer({ state: 'failed', message });
      },
    );
    return () => {
      gone.abort();
    };
  }, [attempt]);

  const retry = useCallback(() => {
    setAnswer({ state: 'loading' });
    setAttempt((count) => count + 1);
  }, []);
  return { answer, retry };
}
