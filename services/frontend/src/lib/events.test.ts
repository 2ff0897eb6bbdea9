import { http, HttpResponse } from 'msw/http';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { tokens } from '@/test/data';
import { api, problem, server } from '@/test/server';
import { connection, followEvents, reconnectDelay } from './events';
import { session } from './session';

/** A stream that sends `chunks` and then ends, or stays open. */
function stream(chunks: string[], { stayOpen = false } = {}) {
  const body = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      if (!stayOpen) controller.close();
    },
  });
  return new HttpResponse(body, { headers: { 'Content-Type': 'text/event-stream' } });
}

const ready = 'event: ready\ndata: {}\n\n';

describe('event stream', () => {
  let stop: AbortController;
  let events: string[];
  const follow = () =>
    followEvents(({ event, data }) => events.push(`${event} ${data}`), stop.signal);

  beforeEach(() => {
    stop = new AbortController();
    events = [];
    session.begin(tokens('t0'));
    vi.spyOn(Math, 'random').mockReturnValue(-0.9); // The shortest pauses: tests need not wait.
  });
  afterEach(() => stop.abort());

  test('events arrive whole, however they are cut into chunks', async () => {
    server.use(
      http.get(api('/events'), () =>
        stream([ready, 'event: job\nda', 'ta: {"id":1}\n', '\n: ping\n\n'], { stayOpen: true }),
      ),
    );
    void follow();
    await vi.waitFor(() => expect(events).toEqual(['ready {}', 'job {"id":1}']));
    expect(connection.get()).toBe('live');
  });

  test('the access token goes with the request', async () => {
    const seen: (string | null)[] = [];
    server.use(
      http.get(api('/events'), ({ request }) => {
        seen.push(request.headers.get('Authorization'));
        return stream([ready], { stayOpen: true });
      }),
    );
    void follow();
    await vi.waitFor(() => expect(seen).toEqual(['Bearer t0']));
  });

  test('it connects again after the stream ends or the API is away', async () => {
    const answers = [
      () => stream([ready]),
      () => HttpResponse.error(),
      () => problem(503, 'unavailable', ''),
      () => stream([ready], { stayOpen: true }),
    ];
    server.use(http.get(api('/events'), () => answers.shift()?.() ?? HttpResponse.error()));
    const states: string[] = [];
    const unsubscribe = connection.subscribe(() => states.push(connection.get()));
    void follow();
    await vi.waitFor(() => expect(events).toEqual(['ready {}', 'ready {}']));
    unsubscribe();
    expect(states).toContain('interrupted');
    expect(connection.get()).toBe('live');
  });

  test('it stops when told to', async () => {
    let requests = 0;
    server.use(
      http.get(api('/events'), () => {
        requests += 1;
        return stream([ready], { stayOpen: true });
      }),
    );
    const done = follow();
    await vi.waitFor(() => expect(events).toHaveLength(1));
    stop.abort();
    await done;
    expect(requests).toBe(1);
  });

  test('pauses grow from half a second to half a minute, spread at random', () => {
    expect([0, 1, 2, 10].map((failures) => reconnectDelay(failures, 1))).toEqual([
      500, 1_000, 2_000, 30_000,
    ]);
    expect(reconnectDelay(0, 0)).toBe(250);
  });
});
