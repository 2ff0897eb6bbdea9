import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { JobOut, Me } from '@/client';
import { session } from '@/lib/session';
import { admin, job, tokens, viewer } from '@/test/data';
import { renderAs } from '@/test/render';
import { api, problem, server } from '@/test/server';
import { useFollowJobs } from '../api/follow-jobs';
import { ExportsPage } from './exports-page';

/** Serves the list of jobs, and an event stream that `send` writes to. */
function serveJobs(...jobs: JobOut[]) {
  let stream: ReadableStreamDefaultController<Uint8Array>;
  const write = (event: string, data: unknown) =>
    stream.enqueue(new TextEncoder().encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => void (stream = controller),
  });
  write('ready', {});
  server.use(
    http.get(api('/jobs'), () => HttpResponse.json({ items: jobs, next_cursor: null })),
    http.get(
      api('/events'),
      () => new HttpResponse(body, { headers: { 'Content-Type': 'text/event-stream' } }),
    ),
  );
  return { send: (changed: JobOut) => write('job', changed) };
}

function LivePage() {
  useFollowJobs(true);
  return <ExportsPage />;
}

const renderPage = (me: Me = admin) => renderAs(me, <LivePage />);

beforeEach(() => session.begin(tokens('t0')));

describe('exports', () => {
  test('a started export is on the list at once, and its parameters are sent', async () => {
    serveJobs();
    const sent = vi.fn();
    server.use(
      http.post(api('/export'), async ({ request }) => {
        sent(await request.json(), request.headers.get('Idempotency-Key'));
        return HttpResponse.json(job(), { status: 202 });
      }),
    );
    renderPage();
    await screen.findByText('No exports yet.');
    await userEvent.selectOptions(screen.getByRole('combobox', { name: 'Format' }), 'JSON Lines');
    await userEvent.selectOptions(screen.getByRole('combobox', { name: 'Priority' }), 'Low');
    await userEvent.click(screen.getByRole('button', { name: 'Start export' }));
    expect(await screen.findByRole('progressbar')).toBeVisible();
    expect(sent).toHaveBeenCalledWith(
      { type: 'users', format: 'jsonl', compression: 'gzip', priority: 'low' },
      expect.stringMatching(/^[0-9a-f]{32}$/),
    );
  });

  test('a second try after a lost answer is the same export', async () => {
    serveJobs();
    const keys: (string | null)[] = [];
    server.use(
      http.post(api('/export'), ({ request }) => {
        keys.push(request.headers.get('Idempotency-Key'));
        return keys.length === 1 ? HttpResponse.error() : HttpResponse.json(job());
      }),
    );
    renderPage();
    const start = await screen.findByRole('button', { name: 'Start export' });
    await userEvent.click(start);
    await screen.findByRole('alert');
    await userEvent.click(start);
    await screen.findByRole('progressbar');
    await userEvent.click(start);
    await vi.waitFor(() => expect(keys).toHaveLength(3));
    expect(keys[1]).toBe(keys[0]);
    expect(keys[2]).not.toBe(keys[0]);
  });

  test('progress is shown as it happens, and spoken at each quarter', async () => {
    const { send } = serveJobs(job());
    renderPage();
    expect(await screen.findByText('Waiting for a worker…')).toBeVisible();
    expect(screen.getByRole('progressbar')).not.toHaveAttribute('value');

    send(job({ status: 'running', progress: { done: 60_000, total: 100_000 } }));
    expect(await screen.findByText('60 % · 60,000 of 100,000 rows')).toBeVisible();
    expect(screen.getByRole('progressbar')).toHaveAttribute('value', '0.6');
    expect(screen.getByRole('status')).toHaveTextContent('Running, 50 percent');

    const result = { filename: 'u.csv.gz', content_type: '', rows: 100_000, bytes: 1_234_567 };
    send(job({ status: 'succeeded', result }));
    expect(await screen.findByText(/100,000 rows · 1.2 MB/)).toBeVisible();
    expect(screen.queryByRole('progressbar')).not.toBeInTheDocument();
    expect(screen.getByRole('status')).toHaveTextContent('Done');
  });

  test('an export that another tab started appears on top', async () => {
    const { send } = serveJobs(job({ status: 'cancelled' }));
    renderPage();
    await screen.findByText('Cancelled');
    send(job({ id: 'j-2' }));
    const items = await vi.waitFor(() => {
      const found = screen.getAllByRole('listitem');
      expect(found).toHaveLength(2);
      return found;
    });
    expect(items[0]).toHaveTextContent('Waiting');
  });

  test('a failed export says why and can be tried again', async () => {
    serveJobs(job({ status: 'failed', error: 'The storage is full.' }));
    server.use(http.post(api('/jobs/j-1/retry'), () => HttpResponse.json(job())));
    renderPage();
    expect(await screen.findByText('The storage is full.')).toBeVisible();
    await userEvent.click(screen.getByRole('button', { name: 'Retry' }));
    expect(await screen.findByText('Waiting for a worker…')).toBeVisible();
  });

  test('a running export can be cancelled once', async () => {
    const running = job({ status: 'running', progress: { done: 1, total: 10 } });
    serveJobs(running);
    server.use(
      http.post(api('/jobs/j-1/cancel'), () =>
        HttpResponse.json({ ...running, cancel_requested: true }),
      ),
    );
    renderPage();
    const cancel = await screen.findByRole('button', { name: 'Cancel' });
    await userEvent.click(cancel);
    expect(await screen.findByText('Cancelling…')).toBeVisible();
    expect(cancel).toBeDisabled();
  });

  test('an action that the API refuses is explained at its export', async () => {
    serveJobs(job());
    server.use(
      http.post(api('/jobs/j-1/cancel'), () => problem(409, '', 'It has already finished.')),
    );
    renderPage();
    await userEvent.click(await screen.findByRole('button', { name: 'Cancel' }));
    const item = screen.getByRole('listitem');
    expect(await within(item).findByRole('alert')).toHaveTextContent('It has already finished.');
  });

  test('a download leads the browser to the link that the API hands out', async () => {
    serveJobs(job({ status: 'succeeded' }));
    server.use(
      http.get(api('/jobs/j-1/download'), ({ request }) =>
        request.headers.get('Accept') === 'application/json'
          ? HttpResponse.json({ url: 'https://storage.example/u.csv.gz', expires_at: '' })
          : problem(500, '', ''),
      ),
    );
    const visited: string[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (
      this: HTMLAnchorElement,
    ) {
      visited.push(this.href);
    });
    renderPage();
    await userEvent.click(await screen.findByRole('button', { name: 'Download' }));
    await vi.waitFor(() => expect(visited).toEqual(['https://storage.example/u.csv.gz']));
  });

  test('a viewer may look and download, but not start, cancel or retry', async () => {
    serveJobs(
      job({ id: 'j-1', status: 'running' }),
      job({ id: 'j-2', status: 'failed' }),
      job({ id: 'j-3', status: 'succeeded' }),
    );
    renderPage(viewer);
    await screen.findByText('Failed');
    expect(screen.getAllByRole('button').map((button) => button.textContent)).toEqual(['Download']);
  });

  test('a file says until when it is kept, and is not offered once it is gone', async () => {
    const done = { status: 'succeeded' as const, expires_at: '2026-03-04T12:00:00Z' };
    serveJobs(job({ ...done, id: 'j-1' }), job({ ...done, id: 'j-2', expired: true }));
    renderPage();
    const [kept, gone] = (await screen.findAllByRole('listitem')) as [HTMLElement, HTMLElement];
    expect(kept).toHaveTextContent('file kept until Mar 4, 2026');
    expect(within(kept).getByRole('button', { name: 'Download' })).toBeVisible();
    expect(gone).toHaveTextContent('file deleted');
    expect(within(gone).queryByRole('button')).not.toBeInTheDocument();
  });

  test('a priority is named unless it is the normal one', async () => {
    serveJobs(job({ id: 'j-1', priority: 'high' }), job({ id: 'j-2' }));
    renderPage();
    expect(await screen.findByText('High priority')).toBeVisible();
    expect(screen.queryByText('Normal priority')).not.toBeInTheDocument();
  });

  test('only those who may manage jobs can put an export before all others', async () => {
    serveJobs();
    renderPage({ ...viewer, permissions: ['job:read', 'export:create'] });
    const priority = await screen.findByRole('combobox', { name: 'Priority' });
    const options = within(priority).getAllByRole('option');
    expect(options.map((option) => option.textContent)).toEqual(['Low', 'Normal']);
  });

  test.each([
    ['those who may manage failed jobs are led to them', admin, ['/exports', '/exports/failed']],
    ['others are not', viewer, []],
  ])('%s', async (_case, me, hrefs) => {
    serveJobs();
    renderPage(me);
    await screen.findByText('No exports yet.');
    const links = screen.queryAllByRole('link').map((link) => link.getAttribute('href'));
    expect(links).toEqual(hrefs);
  });
});
