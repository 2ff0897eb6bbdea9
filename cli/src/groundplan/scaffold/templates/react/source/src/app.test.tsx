import { createServer, type RequestListener } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import type { DetachedWindowAPI } from 'happy-dom';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { App } from './app.tsx';

const INFO = { name: 'groundplan', version: '1.2.3', environment: 'development' };
const server = createServer((request, response) => {
  listener(request, response);
});
const { happyDOM } = window as unknown as { happyDOM: DetachedWindowAPI };
let listener: RequestListener;

function answer(status: number, body: unknown): RequestListener {
  return (request, response) => {
    expect(request.url).toBe('/api/v1/system/info');
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

beforeEach(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  happyDOM.setURL(`http://127.0.0.1:${port}/`);
});

afterEach(() => {
  server.close();
  server.closeAllConnections();
});

test('the page tells which API answers', async () => {
  listener = answer(200, INFO);
  render(<App />);
  expect(screen.getByRole('heading', { level: 1 })).toBeVisible();
  expect(screen.getByRole('status')).toHaveTextContent('Asking the API…');
  expect(await screen.findByText('groundplan 1.2.3')).toBeVisible();
  expect(screen.getByText('development')).toBeVisible();
});

test.each([
  [
    'in its own words',
    { detail: 'The database does not answer.' },
    'The database does not answer.',
  ],
  ['without any', '<html>', 'The API does not answer as it should (503).'],
])('an error of the API is told %s, and can be tried again', async (_, body, message) => {
  listener = answer(503, body);
  render(<App />);
  expect(await screen.findByRole('alert')).toHaveTextContent(message);
  listener = answer(200, INFO);
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
  expect(await screen.findByText('groundplan 1.2.3')).toBeVisible();
  expect(screen.queryByRole('alert')).toBeNull();
});

test('a server that is away is told', async () => {
  listener = (request) => request.socket.destroy();
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  render(<App />);
  expect(await screen.findByRole('alert')).toHaveTextContent('The server cannot be reached.');
});
