import { once } from 'node:events';
import { createServer, type Server } from 'node:http';

export type Checks = Readonly<Record<string, () => Promise<void>>>;

/** Serves /healthz (the process lives) and /readyz (each dependency answers, else 503). */
export async function serveHealth(host: string, port: number, checks: Checks): Promise<Server> {
  const server = createServer((request, response) => {
    void answer(request.url, checks).then(({ status, body }) => {
      response.writeHead(status, {
        'Content-Type': 'application/json',
        'Cache-Control': 'no-store',
      });
      response.end(JSON.stringify(body));
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

async function answer(url: string | undefined, checks: Checks) {
  if (url === '/healthz') return { status: 200, body: { status: 'ok' } };
  if (url !== '/readyz') return { status: 404, body: { status: 'not found' } };
  const results = await Promise.all(Object.entries(checks).map(run));
  const ready = results.every(([, state]) => state === 'ok');
  return {
    status: ready ? 200 : 503,
    body: { status: ready ? 'ok' : 'unavailable', checks: Object.fromEntries(results) },
  };
}

async function run([name, check]: [string, () => Promise<void>]): Promise<[string, string]> {
  return check().then(
    () => [name, 'ok'],
    () => [name, 'unavailable'],
  );
}
