import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseError } from 'pg';
import type { Logger } from './logger.ts';
import type { Storage } from './storage.ts';

const FIRST_MS = 250;
const MAX_MS = 5000;

/**
 * Repeats a statement until the database takes it: it may be away, full, or not migrated yet.
 * @throws its error where the values are at fault, or once `signal` is aborted.
 */
export function untilDatabaseAnswers<T>(
  statement: () => Promise<T>,
  signal: AbortSignal,
  logger: Logger,
): Promise<T> {
  return untilItWorks(statement, signal, logger, 'database.away');
}

/** Waits until the storage takes files. @throws its error once `signal` is aborted. */
export function untilStorageWorks(
  storage: Storage,
  signal: AbortSignal,
  logger: Logger,
): Promise<void> {
  return untilItWorks(() => storage.probe(), signal, logger, 'storage.away');
}

/** Repeats `call` with capped backoff and jitter; it runs at least once. Logs `event` once. */
async function untilItWorks<T>(
  call: () => Promise<T>,
  signal: AbortSignal,
  logger: Logger,
  event: string,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (signal.aborted || isDataError(error)) throw error;
      if (attempt === 0) logger.warn({ err: error }, event);
      await pause(Math.min(MAX_MS, FIRST_MS * 2 ** attempt), signal);
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
}

/** SQLSTATE classes 22 (data exception) and 23 (integrity constraint violation). */
function isDataError(error: unknown): boolean {
  return error instanceof DatabaseError && /^2[23]/.test(error.code ?? '');
}
