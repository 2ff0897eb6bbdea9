import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse } from 'msw/http';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { JobOut } from '@/client';
import { session } from '@/lib/session';
import { admin, job, tokens } from '@/test/data';
import { renderAs } from '@/test/render';
import { api, problem, server } from '@/test/server';
import { FailedJobsPage } from './failed-jobs-page';

const failed = (id: string, error: string) =>
  job({ id, error, status: 'failed', attempts: 5, finished_at: '2026-01-02T04:00:00Z' });

/** An API with these dead jobs, that takes replays and discards; returns what was asked of it. */
function serveDead(...jobs: JobOut[]) {
  let dead = jobs;
  const asked: string[] = [];
  server.use(
    http.get(api('/jobs'), ({ request }) =>
      new URL(request.url).searchParams.get('dead') === 'true'
        ? HttpResponse.json({ items: dead, next_cursor: null })
        : problem(500, '', ''),
    ),
    http.post(api('/jobs/:id/:action'), ({ params }) => {
      const { id, action } = params as { id: string; action: string };
      asked.push(`${action} ${id}`);
      dead = dead.filter((one) => one.id !== id);
      return action === 'retry'
        ? HttpResponse.json(job({ id }))
        : new HttpResponse(null, { status: 204 });
    }),
  );
  return asked;
}

beforeEach(() => {
  session.begin(tokens('t0'));
  renderAs(admin, <FailedJobsPage />);
});

describe('failed jobs', () => {
  test('each says why it failed and how often it was tried', async () => {
    serveDead(failed('j-1', 'The storage is full.'));
    const item = await screen.findByRole('listitem');
    expect(item).toHaveTextContent('The storage is full.');
    expect(item).toHaveTextContent('after 5 attempts');
    expect(screen.getByRole('button', { name: 'Replay' })).toBeDisabled();
  });

  test('without any there is nothing to do', async () => {
    serveDead();
    expect(await screen.findByText('No job has failed for good.')).toBeVisible();
    expect(screen.queryByRole('button')).not.toBeInTheDocument();
  });

  test('those that are selected are replayed and leave the list', async () => {
    const asked = serveDead(failed('j-1', 'one'), failed('j-2', 'two'));
    const first = (await screen.findByText('one')).closest('li') ?? document.body;
    await userEvent.click(within(first).getByRole('checkbox', { name: 'Users as CSV, gzip' }));
    expect(screen.getByRole('checkbox', { name: '1 selected' })).not.toBeChecked();
    await userEvent.click(screen.getByRole('button', { name: 'Replay' }));
    await vi.waitFor(() => expect(screen.getAllByRole('listitem')).toHaveLength(1));
    expect(asked).toEqual(['retry j-1']);
    expect(screen.getByRole('checkbox', { name: 'Select all' })).not.toBeChecked();
  });

  test('all are discarded once that is confirmed', async () => {
    const asked = serveDead(failed('j-1', 'one'), failed('j-2', 'two'));
    await userEvent.click(await screen.findByRole('checkbox', { name: 'Select all' }));
    await userEvent.click(screen.getByRole('button', { name: 'Discard' }));
    expect(asked).toEqual([]);
    const dialog = within(screen.getByRole('dialog', { name: 'Discard 2 jobs?' }));
    await userEvent.click(dialog.getByRole('button', { name: 'Discard' }));
    expect(await screen.findByText('No job has failed for good.')).toBeVisible();
    expect(asked).toEqual(['discard j-1', 'discard j-2']);
    expect(screen.queryByRole('dialog')).not.toBeInTheDocument();
  });

  test('a failure half-way is told, and the list shows what is left', async () => {
    serveDead(failed('j-1', 'one'), failed('j-2', 'two'));
    server.use(
      http.post(api('/jobs/j-2/retry'), () => problem(409, 'conflict', 'It is running already.')),
    );
    await userEvent.click(await screen.findByRole('checkbox', { name: 'Select all' }));
    await userEvent.click(screen.getByRole('button', { name: 'Replay' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('It is running already.');
    await vi.waitFor(() => expect(screen.getAllByRole('listitem')).toHaveLength(1));
    expect(screen.getByRole('listitem')).toHaveTextContent('two');
  });

  test('a list that can’t be fetched can be asked for again', async () => {
    server.use(http.get(api('/jobs'), () => problem(503, 'unavailable', 'Not now.')));
    expect(await screen.findByRole('alert')).toHaveTextContent('Not now.');
    serveDead();
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('No job has failed for good.')).toBeVisible();
  });
});
