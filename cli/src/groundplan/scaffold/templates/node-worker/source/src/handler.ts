import type { Logger } from './logger.ts';
import type { Message } from './message.ts';

export interface Context {
  /** 1 on the first attempt. */
  readonly attempt: number;
  /** Aborted when the worker stops: then end soon, by an error if the work is not done. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/**
 * Does the work of one message. Any error is retried after a while. A message may come twice, so the
 * effect must not double.
 */
export type Handler = (message: Message, context: Context) => Promise<void>;

// The first line of work to replace.
export const handle: Handler = ({ id, text }, { logger }) => {
  logger.info({ message_id: id, length: text.length }, 'message.read');
  return Promise.resolve();
};
