import { pino, stdSerializers, type Logger } from 'pino';

export type { Logger };

/** JSON lines on standard output, with the same keys as the API's. */
export function createLogger(level: string): Logger {
  return pino({
    level,
    messageKey: 'event',
    base: { service: 'worker' },
    serializers: { err: fieldsOf },
    formatters: { level: (label) => ({ level: label }) },
    timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
  });
}

/** What an error says, and no more: libraries hang whole clients on theirs, with keys of their sessions. */
export function fieldsOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack, code } = stdSerializers.err(error);
  return { type, message, code: code as unknown, stack };
}
