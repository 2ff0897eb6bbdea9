import { type EventSourceMessage, EventSourceParserStream } from 'eventsource-parser/stream';
import { apiFetch } from './api';
import { Store } from './store';

export type Connection = 'connecting' | 'live' | 'interrupted';

/** State of this tab's event stream. */
export const connection = new Store<Connection>('connecting');

/** Without even a ping for so long, the stream counts as dead: ms. */
const SILENCE_LIMIT = 45_000;
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;

/** Hands each server-sent event to `onEvent` until `stop` aborts; connects again when the stream breaks. */
export async function followEvents(
  onEvent: (event: EventSourceMessage) => void,
  stop: AbortSignal,
): Promise<void> {
  connection.set('connecting');
  for (let failures = 0; ; failures += 1) {
    await readStream(stop, (event) => {
      failures = 0;
      connection.set('live');
      onEvent(event);
    }).catch(() => undefined); // Whatever broke the stream, the answer is to connect again.
    if (stop.aborted) return;
    if (failures > 0) connection.set('interrupted');
    await new Promise((resolve) => setTimeout(resolve, reconnectDelay(failures)));
  }
}

/** Milliseconds before the next try: doubles with each failure, spread so that clients do not return all at once. */
export function reconnectDelay(failures: number, random = Math.random()): number {
  return Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures) * (0.5 + random / 2);
}

async function readStream(
  stop: AbortSignal,
  onEvent: (event: EventSourceMessage) => void,
): Promise<void> {
  const silence = new AbortController();
  const signal = AbortSignal.any([stop, silence.signal]);
  let watchdog = setTimeout(() => silence.abort(), SILENCE_LIMIT);
  const heard = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => silence.abort(), SILENCE_LIMIT);
  };
  try {
    const response = await apiFetch(new URL('/api/v1/events', location.origin), {
      headers: { Accept: 'text/event-stream' },
      signal,
    });
    await response.body
      ?.pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream({ onComment: heard }))
      .pipeTo(
        new WritableStream({
          write: (event) => {
            heard();
            onEvent(event);
          },
        }),
      );
  } finally {
    clearTimeout(watchdog);
  }
}
