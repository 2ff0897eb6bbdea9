import { http, HttpResponse } from 'msw/http';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createExport } from '@/client';
import { session } from '@/lib/session';
import { tokens } from '@/test/data';
import { api, problem, server } from '@/test/server';
import { traceBrowser } from './browser';

type SpanOut = {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  kind: number;
  status: { code?: number; message?: string };
  attributes: { key: string; value: Record<string, unknown> }[];
};

const elsewhere = 'https://elsewhere.example/api/v1/users';
/** What another origin says so that pages may ask it. */
const allowed = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': '*' };

let headers: (string | null)[];
let beacons: Blob[];
let stop: () => void;

async function sent(): Promise<SpanOut[]> {
  const bodies = await Promise.all(beacons.map((blob) => blob.text()));
  return bodies.flatMap((body) => {
    const { resourceSpans } = JSON.parse(body) as {
      resourceSpans: { scopeSpans: { spans: SpanOut[] }[] }[];
    };
    return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
  });
}

function leavePage() {
  dispatchEvent(new Event('pagehide'));
}

/** A form like that of the exports page: its button starts `action`. */
function clickOn(label: string, action: () => Promise<unknown>): Promise<unknown> {
  document.body.innerHTML = `<form><input name="q" value="typed by Ada"><button>${label}</button></form>`;
  return new Promise((resolve) => {
    document.querySelector('form')?.addEventListener('submit', (event) => {
      event.preventDefault();
      // Forms check their fields before they send.
      setTimeout(() => void action().then(resolve, resolve), 5);
    });
    document.querySelector('button')?.click();
  });
}

const startExport = () => createExport({ body: { type: 'users' } });

beforeEach(() => {
  // msw's own `fetch` can't be replaced as a browser's can.
  vi.stubGlobal('fetch', fetch);
  headers = [];
  beacons = [];
  session.begin(tokens('secret-token'));
  vi.spyOn(navigator, 'sendBeacon').mockImplementation((_, body) => {
    beacons.push(body as Blob);
    return true;
  });
  const note = ({ request }: { request: Request }) => {
    headers.push(request.headers.get('traceparent'));
    return HttpResponse.json({}, { status: 202, headers: allowed });
  };
  server.use(http.post(api('/export'), note), http.get(elsewhere, note));
  server.use(http.options(elsewhere, () => new HttpResponse(null, { headers: allowed })));
});

afterEach(() => {
  stop();
  vi.unstubAllGlobals();
  document.body.innerHTML = '';
});

describe('traces that are on', () => {
  beforeEach(() => {
    stop = traceBrowser();
  });

  test('a click and the request that it leads to are one trace, which goes on to the API', async () => {
    await clickOn('Start export', startExport);
    leavePage();
    const [request, click, ...others] = await sent();
    expect(others).toEqual([]);
    expect(click).toMatchObject({ name: 'click Start export', parentSpanId: '' });
    expect(request).toMatchObject({
      name: 'POST /api/v1/export',
      kind: 3,
      traceId: click?.traceId,
      parentSpanId: click?.spanId,
    });
    expect(headers).toEqual([`00-${request?.traceId}-${request?.spanId}-01`]);
    expect(request?.attributes).toEqual(
      expect.arrayContaining([
        { key: 'url.path', value: { stringValue: '/api/v1/export' } },
        { key: 'http.response.status_code', value: { intValue: 202 } },
        { key: 'server.address', value: { stringValue: location.hostname } },
      ]),
    );
  });

  test('they arrive by themselves while the page stays open', async () => {
    await clickOn('Start export', startExport);
    await vi.waitFor(async () => expect(await sent()).toHaveLength(2), 3_000);
  });

  test('the next click is another trace', async () => {
    await clickOn('Start export', startExport);
    await clickOn('Start export', startExport);
    leavePage();
    const spans = await sent();
    expect(spans).toHaveLength(4);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(2);
  });

  test('a request that nobody asked for is a trace of its own', async () => {
    await startExport();
    leavePage();
    expect(await sent()).toMatchObject([{ name: 'POST /api/v1/export', parentSpanId: '' }]);
  });

  test('a click that leads to no request is not sent', async () => {
    await clickOn('Nothing', () => Promise.resolve());
    leavePage();
    expect(await sent()).toEqual([]);
  });

  test('a request to another origin is left alone', async () => {
    await clickOn('Elsewhere', () => fetch(elsewhere));
    leavePage();
    expect(headers).toEqual([null]);
    expect(await sent()).toEqual([]);
  });

  test('a request that fails says so, and fails for the page as before', async () => {
    server.use(http.post(api('/export'), () => problem(409, 'conflict', 'Too many exports.')));
    expect(await clickOn('Start export', startExport)).toMatchObject({ status: 409 });
    server.use(http.post(api('/export'), () => HttpResponse.error()));
    expect(await clickOn('Start export', startExport)).toMatchObject({ status: 0 });
    leavePage();
    const failures = (await sent()).filter(({ kind }) => kind === 3).map(({ status }) => status);
    expect(failures).toEqual([
      { code: 2, message: 'The API answered 409.' },
      { code: 2, message: 'No answer came.' },
    ]);
  });

  test('neither tokens nor what people typed are in them', async () => {
    await clickOn('Start export', startExport);
    leavePage();
    const text = await new Blob(beacons).text();
    expect(text).not.toContain('secret-token');
    expect(text).not.toContain('Ada');
  });

  test('a page that asks without end sends no more at once than a beacon holds', async () => {
    await Promise.all(Array.from({ length: 150 }, startExport));
    leavePage();
    expect(headers).toHaveLength(150);
    expect(beacons.length).toBeGreaterThan(0);
    for (const { size } of beacons) expect(size).toBeLessThan(64 * 1024);
  });
});

test('without them, no request carries a trace and nothing is sent', async () => {
  stop = () => undefined;
  await clickOn('Start export', startExport);
  leavePage();
  expect(headers).toEqual([null]);
  expect(beacons).toEqual([]);
});
