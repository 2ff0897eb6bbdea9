import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Connect, Plugin, ProxyOptions } from 'vite';
import { type Attributes, Kind, operation, parseTraceparent, Span } from '../src/telemetry/otlp.ts';
import { Exporter } from './exporter.ts';

/** More than a page sends at once. */
const MOST_BYTES = 1_000_000;

type Proxy = string | ProxyOptions;

/**
 * Traces of the development server: a SERVER span for each page and each request that it passes on,
 * and a CLIENT span for the passing on. It also takes the browser's spans. All of it only where
 * OTEL_EXPORTER_OTLP_ENDPOINT says where spans go.
 */
export function telemetry(environment: NodeJS.ProcessEnv): Plugin[] {
  const endpoint = environment.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!endpoint) return [];
  const exporter = new Exporter(endpoint, environment.OTEL_SERVICE_NAME ?? 'frontend');
  const browserPart = { type: 'module', src: '/src/telemetry/start.ts' };
  return [
    {
      name: 'telemetry',
      apply: 'serve',
      configureServer({ config, middlewares }) {
        exporter.warn = (message) => config.logger.warn(message, { timestamp: true });
        middlewares.use('/otlp/v1/traces', receive(exporter));
        middlewares.use(traceRequests(config.server.proxy ?? {}, exporter));
      },
      transformIndexHtml: () => [{ tag: 'script', attrs: browserPart, injectTo: 'head-prepend' }],
      buildEnd: () => exporter.flush(),
    },
  ];
}

/** Hands the browser's spans on, and answers without waiting for the receiver. */
function receive(exporter: Exporter): Connect.NextHandleFunction {
  return (request, response, next) => {
    if (request.method !== 'POST') {
      next();
      return;
    }
    if (Number(request.headers['content-length'] ?? MOST_BYTES) >= MOST_BYTES) {
      response.writeHead(413).end();
      return;
    }
    text(request).then(
      (body) => {
        void exporter.send(body);
        response.writeHead(202).end();
      },
      () => response.destroy(),
    );
  };
}

function traceRequests(
  proxies: Record<string, Proxy>,
  exporter: Exporter,
): Connect.NextHandleFunction {
  return (request, response, next) => {
    const path = (request.url ?? '/').replace(/\?.*/, '');
    const proxy = Object.entries(proxies).find(([prefix]) => path.startsWith(prefix))?.[1];
    if (proxy) traceProxied(request, response, path, proxy, exporter);
    else if (isPage(request)) tracePage(response, path, exporter);
    next();
  };
}

function isPage({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && (headers.accept ?? '').includes('text/html');
}

/** A navigation carries no trace context, so the browser is told which span its own is to be. */
function tracePage(response: ServerResponse, path: string, exporter: Exporter): void {
  const browser = new Span('GET /*', { kind: Kind.client });
  const span = new Span('GET /*', {
    kind: Kind.server,
    parent: browser,
    attributes: { 'http.request.method': 'GET', 'http.route': '/*', 'url.path': path },
  });
  response.setHeader('Server-Timing', `traceparent;desc="${browser.traceparent}"`);
  onAnswer(response, (status) => exporter.end(span, status));
}

/** Both spans end when the answer begins: a stream may last for hours. */
function traceProxied(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  proxy: Proxy,
  exporter: Exporter,
): void {
  const method = request.method ?? 'GET';
  const name = operation(method, path);
  const attributes = { 'http.request.method': method, 'url.path': path };
  const served = new Span(name, {
    kind: Kind.server,
    parent: parseTraceparent(request.headers.traceparent?.toString()),
    attributes,
  });
  const passedOn = new Span(name, {
    kind: Kind.client,
    parent: served,
    attributes: { ...attributes, ...addressOf(proxy) },
  });
  request.headers.traceparent = passedOn.traceparent;
  onAnswer(response, (status) => {
    exporter.end(passedOn, status);
    exporter.end(served, status);
  });
}

function addressOf(proxy: Proxy): Attributes {
  const target = typeof proxy === 'string' ? proxy : proxy.target;
  if (typeof target !== 'string') return {};
  const { hostname, port, protocol } = new URL(target);
  const standard = protocol === 'https:' ? 443 : 80;
  return { 'server.address': hostname, 'server.port': Number(port) || standard };
}

/** Calls `onEnd` once: when the head of the answer is written, or without a status when it never is. */
function onAnswer(response: ServerResponse, onEnd: (status?: number) => void): void {
  const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
  const onClose = () => onEnd();
  response.once('close', onClose);
  response.writeHead = (...args: unknown[]) => {
    response.writeHead = writeHead;
    response.off('close', onClose);
    writeHead(...args);
    onEnd(response.statusCode);
    return response;
  };
}
