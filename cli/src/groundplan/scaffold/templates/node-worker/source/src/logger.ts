import { pino, type Logger } from 'pino';

export type { Logger };

/** JSON lines on standard output. */
export function createLogger(level: string): Logger {
  return pino({
    level,
    messageKey: 'event',
    base: { service: 'service-name' },
    formatters: { level: (label) => ({ level: label }) },
    timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
  });
}
