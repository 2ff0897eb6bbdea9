import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createServer, type ViteDevServer } from 'vite';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

type SpanOut = Record<'name' | 'traceId' | 'spanId' | 'parentSpanId', string> & {
  kind: number;
  status: { code?: number };
  attributes: { key: string; value: { stringValue?: string; intValue?: number } }[];
};
type Request = {
  resourceSpans: {
    resource: Pick<SpanOut, 'attributes'>;
    scopeSpans: { spans: SpanOut[] }[];
  }[];
};

const SERVER = 2;
const CLIENT = 3;
const page = { headers: { Accept: 'text/html' } };

let servers: Server[];
let bodies: string[];
let seen: (string | undefined)[];
let vite: ViteDevServer | undefined;

async function listen(answer: RequestListener): Promise<string> {
  const server = createHttpServer(answer).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Keeps what an OTLP receiver gets. */
const receiver: RequestListener = (request, response) => {
  void text(request).then((body) => {
    if (request.url === '/v1/traces') bodies.push(body);
    response.end('{}');
  });
};

/** An API whose events begin at once and go on for ever. */
const apiServer: RequestListener = (request, response) => {
  seen.push(request.headers.traceparent?.toString());
  if (request.url === '/api/v1/events') {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('event: ready\n\n');
  } else response.writeHead(request.url === '/api/v1/broken' ? 503 : 200).end('{}');
};

/** The development server as it is started, but on a free port. */
async function start(endpoint: string | undefined, apiUrl?: string): Promise<string> {
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', endpoint);
  vi.stubEnv('API_URL', apiUrl ?? (await listen(apiServer)));
  vi.stubEnv('PORT', '0');
  vite = await createServer({
    logLevel: 'silent',
    // A cache of its own: a running development server would find its own one overwritten.
    cacheDir: await mkdtemp(join(tmpdir(), 'vite-')),
    server: { ws: false, watch: null },
    optimizeDeps: { noDiscovery: true, include: [] },
  });
  await vite.listen();
  return (vite.resolvedUrls?.local[0] ?? '').replace(/\/$/, '');
}

function spans(): SpanOut[] {
  return bodies
    .flatMap((body) => (JSON.parse(body) as Request).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
}

async function spansNamed(name: string, count: number): Promise<SpanOut[]> {
  return vi.waitFor(() => {
    const found = spans().filter((span) => span.name === name);
    expect(found).toHaveLength(count);
    return found;
  }, 3_000);
}

function valueOf({ attributes }: Pick<SpanOut, 'attributes'>, name: string) {
  const value = attributes.find(({ key }) => key === name)?.value;
  return value?.stringValue ?? value?.intValue;
}

beforeEach(() => {
  servers = [];
  bodies = [];
  seen = [];
});

afterEach(async () => {
  await vite?.close();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  vi.unstubAllEnvs();
});

describe('a request for the API', () => {
  test('yields a span of this server and one of its call, in the trace of the browser', async () => {
    const traceId = 'a'.repeat(32);
    const apiUrl = await listen(apiServer);
    const url = await start(await listen(receiver), apiUrl);
    const id = crypto.randomUUID();
    await fetch(`${url}/api/v1/jobs/${id}?token=secret`, {
      headers: { traceparent: `00-${traceId}-${'b'.repeat(16)}-01` },
    });
    const found = await spansNamed('GET /api/v1/jobs/{id}', 2);
    const served = found.find(({ kind }) => kind === SERVER);
    const call = found.find(({ kind }) => kind === CLIENT);
    expect(served).toMatchObject({ traceId, parentSpanId: 'b'.repeat(16) });
    expect(call).toMatchObject({ traceId, parentSpanId: served?.spanId });
    expect(call && valueOf(call, 'server.port')).toBe(Number(new URL(apiUrl).port));
    expect(call && valueOf(call, 'http.response.status_code')).toBe(200);
    expect(seen).toEqual([`00-${traceId}-${call?.spanId}-01`]);
    expect(bodies.join()).toContain('{"stringValue":"frontend"}');
    expect(bodies.join()).not.toContain('secret');
  });

  test('has its spans, and its first event, while the stream goes on', async () => {
    const url = await start(await listen(receiver));
    const response = await fetch(`${url}/api/v1/events`);
    const reader = response.body?.getReader();
    const first = (await reader?.read()) as { value: Uint8Array };
    expect(new TextDecoder().decode(first.value)).toContain('event: ready');
    await spansNamed('GET /api/v1/events', 2);
    await reader?.cancel();
  });

  test('is marked where the API fails, and where it is away', async () => {
    const url = await start(await listen(receiver));
    await fetch(`${url}/api/v1/broken`);
    const broken = await spansNamed('GET /api/v1/broken', 2);
    expect(broken.map(({ status }) => status.code)).toEqual([2, 2]);
    servers[1]?.close();
    servers[1]?.closeAllConnections();
    expect((await fetch(`${url}/api/v1/users`)).status).toBe(502);
    const away = await spansNamed('GET /api/v1/users', 2);
    expect(away.map(({ status }) => status.code)).toEqual([2, 2]);
  });
});

describe('a page', () => {
  test('is one span, with a parent that the browser is told of; modules are none', async () => {
    const url = await start(await listen(receiver));
    const response = await fetch(`${url}/exports`, page);
    await fetch(`${url}/src/telemetry/otlp.ts`);
    await fetch(`${url}/favicon.svg`);
    const [span] = await spansNamed('GET /*', 1);
    expect(span?.kind).toBe(SERVER);
    expect(response.headers.get('Server-Timing')).toBe(
      `traceparent;desc="00-${span?.traceId}-${span?.parentSpanId}-01"`,
    );
    expect(spans()).toHaveLength(1);
    const html = await response.text();
    const [first, main] = [html.indexOf('/src/telemetry/start.ts'), html.indexOf('/src/main.tsx')];
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(main);
  });

  test('has its own spans handed on to the receiver', async () => {
    const url = await start(await listen(receiver));
    const post = (body: string) => fetch(`${url}/otlp/v1/traces`, { method: 'POST', body });
    expect((await post('{"resourceSpans":[]}')).status).toBe(202);
    await vi.waitFor(() => expect(bodies).toEqual(['{"resourceSpans":[]}']));
    expect((await post('x'.repeat(1_000_000))).status).toBe(413);
  });
});

describe('a receiver', () => {
  test(
    'that is away or silent changes no answer, and takes no time',
    { timeout: 15_000 },
    async () => {
      for (const endpoint of ['http://127.0.0.1:9', await listen(() => undefined)]) {
        const url = await start(endpoint);
        const before = performance.now();
        for (let i = 0; i < 20; i++) {
          expect((await fetch(`${url}/api/v1/users`)).status).toBe(200);
        }
        expect(performance.now() - before).toBeLessThan(5_000);
        await vite?.close();
      }
    },
  );

  test('that is not named leaves the page and every request as they are', async () => {
    const url = await start(undefined);
    const response = await fetch(`${url}/`, page);
    expect(response.headers.get('Server-Timing')).toBeNull();
    expect(await response.text()).not.toContain('telemetry');
    await fetch(`${url}/api/v1/users`);
    expect(seen).toEqual([undefined]);
    expect((await fetch(`${url}/otlp/v1/traces`, { method: 'POST' })).status).toBe(404);
  });
});
