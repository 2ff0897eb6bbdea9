/**
 * The browser's side of a trace: what the user did, and the requests that it led to. Vite's server
 * puts this module into the page, before all others, where traces are wanted; else it is not loaded.
 */
import { Interaction } from './interaction';
import { Kind, now, operation, parseTraceparent, Span, toRequest } from './otlp';

const DELAY = 500;
/** A beacon may hold 64 KiB: that is about 100 spans. */
const MOST_SPANS = 100;
const RECEIVER = '/otlp/v1/traces';

/** Makes spans of interactions, and of requests to the API of this page's origin. Returns how to stop. */
export function traceBrowser(): () => void {
  const stop = new AbortController();
  const plainFetch = globalThis.fetch;
  const queue = new Queue();
  let interaction: Interaction | undefined;

  const begin = (event: Event) => {
    // A click on a button also submits its form: that is one interaction.
    if (event.type === 'submit' && interaction?.isFresh) return;
    interaction?.finish();
    interaction = new Interaction(event, (span) => queue.add(span));
  };
  for (const type of ['click', 'submit', 'input']) {
    addEventListener(type, begin, { capture: true, signal: stop.signal });
  }
  const flush = () => {
    interaction?.finish();
    queue.flush();
  };
  addEventListener('pagehide', flush, { signal: stop.signal });
  document.addEventListener('visibilitychange', flush, { signal: stop.signal });

  globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    const url = new URL(request.url);
    if (url.origin !== location.origin || !url.pathname.startsWith('/api/')) {
      return plainFetch(request);
    }
    return traceRequest(request, url, plainFetch, interaction, queue);
  };
  tracePageLoad(queue);
  return () => {
    stop.abort();
    globalThis.fetch = plainFetch;
  };
}

async function traceRequest(
  request: Request,
  url: URL,
  plainFetch: typeof fetch,
  interaction: Interaction | undefined,
  queue: Queue,
): Promise<Response> {
  const parent = interaction?.join();
  const span = new Span(operation(request.method, url.pathname), {
    kind: Kind.client,
    parent,
    attributes: { 'http.request.method': request.method, 'url.path': url.pathname, ...server() },
  });
  request.headers.set('traceparent', span.traceparent);
  let failure: string | undefined;
  try {
    const response = await plainFetch(request);
    span.attributes['http.response.status_code'] = response.status;
    if (!response.ok) failure = `The API answered ${response.status}.`;
    return response;
  } catch (error) {
    if (!request.signal.aborted) failure = 'No answer came.';
    throw error;
  } finally {
    queue.add(span.end(failure));
    if (parent) interaction?.leave();
  }
}

/** The request for the page itself: its server chose the trace, since a page that is not there can't. */
function tracePageLoad(queue: Queue): void {
  const [page] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
  const timing = page?.serverTiming.find(({ name }) => name === 'traceparent');
  const context = parseTraceparent(timing?.description);
  if (!page || !context) return;
  const span = new Span('GET /*', {
    kind: Kind.client,
    spanId: context.spanId,
    parent: { traceId: context.traceId, spanId: '' },
    startedAt: performance.timeOrigin + page.requestStart,
    attributes: {
      'http.request.method': 'GET',
      'http.route': '/*',
      'url.path': location.pathname,
      ...server(),
    },
  });
  queue.add(span.end(undefined, performance.timeOrigin + page.responseEnd || now()));
}

function server() {
  const port = location.port || (location.protocol === 'https:' ? 443 : 80);
  return { 'server.address': location.hostname, 'server.port': Number(port) };
}

/** Spans on their way; those that are too many are dropped. */
class Queue {
  #spans: object[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  add(span: object): void {
    if (this.#spans.length >= MOST_SPANS) return;
    this.#spans.push(span);
    this.#timer ??= setTimeout(() => this.flush(), DELAY);
  }

  /** A beacon arrives even where the page is being left. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#spans.length === 0) return;
    const body = toRequest('browser', this.#spans);
    this.#spans = [];
    navigator.sendBeacon(RECEIVER, new Blob([body], { type: 'application/json' }));
  }
}
