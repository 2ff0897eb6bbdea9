import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Storage } from '../src/storage.ts';
import { eventually } from './support/poll.ts';
import { System, type Job } from './support/system.ts';

const NASTY = [
  'plain',
  'with "quotes", commas',
  'two\nlines\r\nand more',
  'back\\slash \\n \\.',
  'Ünïcode 你好 🎉 \u2028',
  "apostrophe's",
  '',
  '\u0001 and \u0002',
  '\\.',
];

let system: System;

async function run(format: string, compression: string): Promise<Job & { text: string }> {
  const id = await system.addExport(format, compression);
  const job = await system.reaches(id, 'succeeded');
  return { ...job, text: await system.read(job.result) };
}

/** Parses CSV by RFC 4180. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  const cell = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\n|$)/gy;
  let row: string[] = [];
  while (cell.lastIndex < text.length) {
    const [, value = '', end] = cell.exec(text) ?? [];
    row.push(value.startsWith('"') ? value.slice(1, -1).replaceAll('""', '"') : value);
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

async function expectedRows(): Promise<Record<string, unknown>[]> {
  const { rows } = await system.pool.query<Record<string, unknown>>(
    `SELECT u.id, email, u.name, r.name AS role, is_active,
       to_char(u.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at
     FROM users u JOIN roles r ON r.id = u.role_id ORDER BY u.id`,
  );
  return rows;
}

function byId(a: Record<string, unknown>, b: Record<string, unknown>): number {
  return String(a.id) < String(b.id) ? -1 : 1;
}

beforeAll(async () => {
  system = await System.create();
  for (const name of NASTY) await system.addUser(name);
  await system.pool.query("UPDATE users SET is_active = false WHERE name = 'plain'");
  await system.startWorker();
});

afterAll(async () => {
  await system.remove();
});

describe('export', () => {
  test.each(['none', 'gzip'])('CSV (%s) holds every row as it is in the database', async (kind) => {
    const { text } = await run('csv', kind);
    const [header, ...rows] = parseCsv(text);
    expect(header).toEqual(['id', 'email', 'name', 'role', 'is_active', 'created_at']);
    const found = rows.map((row) =>
      Object.fromEntries(row.map((cell, i) => [header?.[i] ?? '', cell])),
    );
    const wanted = await expectedRows();
    expect(found.sort(byId)).toEqual(
      wanted.map((row) => ({ ...row, is_active: String(row.is_active) })),
    );
  });

  test.each(['none', 'gzip'])('JSON Lines (%s) hold one valid object a row', async (kind) => {
    const { text } = await run('jsonl', kind);
    const found = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(found.sort(byId)).toEqual(await expectedRows());
  });

  test('the result names the file, its type, rows and size', async () => {
    const job = await run('jsonl', 'gzip');
    expect(job.result).toEqual({
      key: expect.stringMatching(/^exports\/[0-9a-f-]{36}\/1\/users-\d{8}-\d{6}\.jsonl\.gz$/),
      filename: expect.stringMatching(/^users-\d{8}-\d{6}\.jsonl\.gz$/),
      content_type: 'application/gzip',
      rows: NASTY.length + 1,
      bytes: expect.any(Number),
    });
    expect(job).toMatchObject({ progress_done: 10, progress_total: 10, attempts: 1, error: null });
  });

  test('a password hash never leaves the database', async () => {
    const texts = await Promise.all([run('csv', 'none'), run('jsonl', 'none')]);
    for (const { text } of texts) expect(text).not.toContain('never-export-this');
  });

  test('a name that a spreadsheet would run as a formula is harmless in CSV', async () => {
    const id = await system.addUser('=HYPERLINK("http://evil")');
    const { text } = await run('csv', 'none');
    await system.pool.query('DELETE FROM users WHERE id = $1', [id]);
    expect(text).toContain(`"'=HYPERLINK(""http://evil"")"`);
  });
});

test('what earlier claims left is removed, and nothing of later ones', async () => {
  const settings = system.settings();
  const storage = new Storage(settings);
  const folder = `exports/${randomUUID()}/`;
  for (const claim of [1, 2, 10]) {
    const { signal } = new AbortController();
    await storage.upload(
      `${folder}${claim}/file`,
      'text/plain',
      Readable.from([Buffer.from('x')]),
      signal,
    );
  }
  await storage.clearBefore(folder, 2);
  const keys = (await system.keys()).filter((key) => key.startsWith(folder));
  expect(keys.sort()).toEqual([`${folder}10/file`, `${folder}2/file`]);
  for (const key of keys) await storage.remove(key);
  storage.close();
});

describe('large and empty tables', () => {
  test('a file of many parts is complete, and its progress is seen on the way', async () => {
    await system.addUsers(60_000);
    const id = await system.addExport();
    const seen = new Set<number>();
    const job = await eventually('the export', async () => {
      const found = await system.job(id);
      seen.add(found.progress_done);
      return found.status === 'succeeded' && found;
    });
    const text = await system.read(job.result);
    expect(text.length).toBeGreaterThan(4 * 5 * 1024 * 1024);
    expect(parseCsv(text)).toHaveLength(1 + (job.result?.rows ?? 0));
    expect(job.result?.rows).toBe(60_000 + NASTY.length + 1);
    expect(seen.size).toBeGreaterThan(1);
  });

  test.each([
    ['csv', 'none', 'id,email,name,role,is_active,created_at\n'],
    ['csv', 'gzip', 'id,email,name,role,is_active,created_at\n'],
    ['jsonl', 'none', ''],
    ['jsonl', 'gzip', ''],
  ])('an empty table gives a valid empty %s file (%s)', async (format, compression, text) => {
    for (const table of ['jobs', 'job_turns']) {
      const constraint = `${table}_requested_by_fkey`;
      await system.pool.query(`ALTER TABLE ${table} DROP CONSTRAINT IF EXISTS ${constraint}`);
    }
    await system.pool.query('TRUNCATE users');
    const job = await run(format, compression);
    expect(job.text).toBe(text);
    expect(job.result).toMatchObject({ rows: 0 });
  });
});
