import { once } from 'node:events';
import { createServer, type Server } from 'node:http';

/** Serves /healthz (the process lives) and /readyz (messages can arrive, else 503). */
export async function serveHealth(
  host: string,
  port: number,
  isReady: () => boolean,
): Promise<Server> {
  const server = createServer(({ url }, response) => {
    const [status, text] = answer(url, isReady);
    response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
    response.end(JSON.stringify({ status: text }));
  });
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

function answer(url: string | undefined, isReady: () => boolean): [number, string] {
  if (url === '/healthz') return [200, 'ok'];
  if (url !== '/readyz') return [404, 'not found'];
  return isReady() ? [200, 'ok'] : [503, 'unavailable'];
}
