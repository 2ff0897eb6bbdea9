import { pino, type Logger } from 'pino';

export type { Logger };

/** JSON lines on standard output, with the same keys as the API's. */
export function createLogger(level: string): Logger {
  return pino({
    level,
    messageKey: 'event',
    base: { service: 'worker' },
    formatters: { level: (label) => ({ level: label }) },
    timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
  });
}
