import { setTimeout as sleep } from 'node:timers/promises';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Client } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { ExportParams } from '../contracts/export.ts';
import type { JobContext, JobHandler } from '../job.ts';
import { untraced } from '../tracing.ts';

const CHUNK_BYTES = 256 * 1024;
const PROGRESS_MS = 250;

/** What can be exported: its columns as SQL, of which people typed those named `typed`. */
interface Source {
  readonly from: string;
  readonly columns: Readonly<Record<string, string>>;
  readonly typed: readonly string[];
}

const SOURCES: Record<ExportParams['type'], Source> = {
  users: {
    from: 'users u JOIN roles r ON r.id = u.role_id',
    columns: {
      id: 'u.id',
      email: 'u.email',
      name: 'u.name',
      role: 'r.name',
      is_active: 'u.is_active',
      created_at: `to_char(u.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
    },
    typed: ['email', 'name', 'role'],
  },
};

/**
 * Streams all rows of one kind from PostgreSQL through compression into the storage, in constant
 * memory. Rows and their total come from one snapshot.
 */
export const handle: JobHandler<ExportParams> = async (context) => {
  const { params, signal, storage } = context;
  // A worker that was killed in an earlier attempt could not clean up.
  await storage.clearBefore(folderOf(context), context.claim);
  const client = await context.database.connect();
  const settled = new AbortController();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { pid, total } = await measure(client, SOURCES[params.type]);
    const ended = AbortSignal.any([signal, settled.signal]);
    void untraced(() => reportProgress(context, pid, total, ended));

    const copy = client.query(copyTo(copyStatement(params)));
    const body =
      params.compression === 'gzip'
        ? createGzip({ level: 1, chunkSize: CHUNK_BYTES })
        : new PassThrough();
    const file = nameFile(context);
    const [bytes] = await Promise.all([
      storage.upload(file.key, file.content_type, body, signal),
      // Its error reaches the upload through `body`, and that one is the cause either way.
      pipeline(readRows(client, copy), body, { signal }).catch(() => undefined),
    ]);
    context.progress(copy.rowCount, copy.rowCount);
    return { ...file, rows: copy.rowCount, bytes };
  } finally {
    settled.abort();
    await client.end();
  }
};

/** Ends only after PostgreSQL said that all is sent: else the upload fails and leaves no file. */
async function* readRows(client: Client, copy: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* copy;
  await client.query('COMMIT');
}

async function measure(client: Client, { from }: Source): Promise<{ pid: number; total: number }> {
  const { rows } = await client.query<{ pid: number; total: number }>(
    `SELECT pg_backend_pid() AS pid, count(*)::float8 AS total FROM ${from}`,
  );
  return rows[0] ?? { pid: 0, total: 0 };
}

function copyStatement({ type, format }: ExportParams): string {
  const { from, columns, typed } = SOURCES[type];
  const select = (cell: (name: string, sql: string) => string) =>
    Object.entries(columns)
      .map(([name, sql]) => `${cell(name, sql)} AS ${name}`)
      .join(', ');
  if (format === 'csv') {
    const cells = select((name, sql) => (typed.includes(name) ? harmless(sql) : `(${sql})::text`));
    return `COPY (SELECT ${cells} FROM ${from}) TO STDOUT (FORMAT csv, HEADER)`;
  }
  // JSON holds neither of these two characters unescaped, so COPY leaves every line as it is.
  return `COPY (SELECT row_to_json(t) FROM (SELECT ${select((_, sql) => sql)} FROM ${from}) t)
    TO STDOUT (FORMAT csv, DELIMITER e'\\x01', QUOTE e'\\x02')`;
}

/**
 * Spreadsheets run cells that begin with = + - @ tab or CR as formulas: in CSV, what people typed
 * gets an apostrophe before those (JSON Lines stays exact).
 */
function harmless(sql: string): string {
  return `CASE WHEN ascii(${sql}) IN (9, 13, 43, 45, 61, 64) THEN '''' || ${sql} ELSE ${sql} END`;
}

/** Reads the progress from PostgreSQL's own view, so no row is parsed here. */
async function reportProgress(
  { database, progress, logger }: JobContext<ExportParams>,
  pid: number,
  total: number,
  signal: AbortSignal,
): Promise<void> {
  progress(0, total);
  try {
    for (;;) {
      await sleep(PROGRESS_MS, undefined, { signal });
      const { rows } = await database.pool.query<{ done: number | null }>(
        'SELECT copied_rows($1)::float8 AS done',
        [pid],
      );
      const done = rows[0]?.done ?? null;
      if (done !== null && !signal.aborted) progress(done, total);
    }
  } catch (error) {
    if (!signal.aborted) logger.warn({ err: error }, 'export.progress_unknown');
  }
}

function folderOf({ jobId }: JobContext<ExportParams>): string {
  return `exports/${jobId}/`;
}

function nameFile(context: JobContext<ExportParams>) {
  const { claim, params } = context;
  const [date = '', time = ''] = new Date().toISOString().replaceAll(/[-:]/g, '').split(/[T.]/);
  const suffix = params.compression === 'gzip' ? '.gz' : '';
  const filename = `${params.type}-${date}-${time}.${params.format}${suffix}`;
  const type = { csv: 'text/csv', jsonl: 'application/jsonl' }[params.format];
  return {
    key: `${folderOf(context)}${claim}/${filename}`,
    filename,
    content_type: suffix ? 'application/gzip' : type,
  };
}
