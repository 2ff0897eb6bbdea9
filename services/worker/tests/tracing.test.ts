import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { summarize } from '../src/sql-tracing.ts';
import { OtlpSink, valueOf, type Span } from './support/otlp-sink.ts';
import { eventually } from './support/poll.ts';
import { WorkerProcess } from './support/process.ts';
import { System } from './support/system.ts';

const CLIENT = 3;
const CONSUMER = 5;
const ERROR = 2;

let system: System;
let sink: OtlpSink | undefined;
let worker: WorkerProcess | undefined;

function start(endpoint: string | undefined, env: NodeJS.ProcessEnv = {}): WorkerProcess {
  worker = new WorkerProcess({ ...system.env, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...env });
  return worker;
}

async function startWithSink(...answer: ConstructorParameters<typeof OtlpSink>): Promise<OtlpSink> {
  sink = await new OtlpSink(...answer).start();
  start(sink.endpoint);
  return sink;
}

/** A trace context as the API sends it. */
function newContext() {
  const traceId = randomBytes(16).toString('hex');
  const spanId = randomBytes(8).toString('hex');
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

function addExport(traceparent?: string, maxAttempts = 2, workerLosses = 0): Promise<string> {
  return system.addJob({
    type: 'export',
    params: { type: 'users', format: 'csv', compression: 'none' },
    maxAttempts,
    workerLosses,
    ...(traceparent && { traceparent }),
  });
}

function find(spans: Span[], name: string): Span {
  const span = spans.find((candidate) => candidate.name === name);
  if (!span) throw new Error(`no span ${name}`);
  return span;
}

beforeAll(async () => {
  system = await System.create();
  await system.addUsers(20_000);
});

afterEach(async () => {
  worker?.kill('SIGKILL');
  await worker?.exited;
  sink?.stop();
  sink = undefined;
});

afterAll(async () => {
  await system.remove();
});

describe('an export', () => {
  test('is one trace from the message to the ack, continued from the header', async () => {
    const { traceId, spanId, traceparent } = newContext();
    const receiver = await startWithSink();
    await system.reaches(await addExport(traceparent), 'succeeded');
    const { name: queue } = system;
    const spans = await receiver.trace(traceId, `process ${queue}`);

    const names = spans.map(({ name }) => name);
    expect(names.filter((name, i) => name !== names[i - 1])).toEqual(
      expect.arrayContaining([
        `process ${queue}`,
        `receive ${queue}`,
        'SELECT succeed_job',
        'COPY users',
        'S3/CreateMultipartUpload',
        'S3/UploadPart',
        'S3/CompleteMultipartUpload',
        `ack ${queue}`,
      ]),
    );
    const process = find(spans, `process ${queue}`);
    expect(process).toMatchObject({ kind: CONSUMER, parentSpanId: spanId });
    for (const span of spans.filter((one) => one !== process)) {
      expect(span).toMatchObject({ kind: CLIENT, parentSpanId: process.spanId });
      expect(span.status.code).not.toBe(ERROR);
    }
    expect(new Set(receiver.services)).toEqual(new Set(['worker']));
  });
  test('is one trace also where it runs in a process of its own', async () => {
    const { traceId, traceparent } = newContext();
    const receiver = await startWithSink();
    await system.reaches(await addExport(traceparent, 2, 1), 'succeeded');
    await receiver.trace(traceId, 'S3/CompleteMultipartUpload');
    const spans = await receiver.trace(traceId, `process ${system.name}`);
    const process = find(spans, `process ${system.name}`);
    expect(find(spans, 'COPY users').parentSpanId).toBe(process.spanId);
    expect(find(spans, `ack ${system.name}`).parentSpanId).toBe(process.spanId);
  });
  test('tells the server and the operation of each call', async () => {
    const { traceId, traceparent } = newContext();
    const receiver = await startWithSink();
    await system.reaches(await addExport(traceparent), 'succeeded');
    const { name: queue } = system;
    const spans = await receiver.trace(traceId, `process ${queue}`);
    const tell = (name: string) =>
      Object.fromEntries(
        find(spans, name).attributes.map(({ key }) => [key, valueOf(find(spans, name), key)]),
      );
    const { rabbitmq, postgres, storage } = system.settings();
    expect(tell(`ack ${queue}`)).toEqual({
      'messaging.system': 'rabbitmq',
      'messaging.operation.type': 'settle',
      'messaging.operation.name': 'ack',
      'messaging.destination.name': queue,
      'server.address': rabbitmq.host,
      'server.port': rabbitmq.port,
    });
    expect(tell('COPY users')).toEqual({
      'db.system.name': 'postgresql',
      'db.operation.name': 'COPY',
      'db.collection.name': 'users',
      'db.query.summary': 'COPY users',
      'server.address': postgres.host,
      'server.port': postgres.port,
    });
    expect(tell('S3/UploadPart')).toEqual({
      'rpc.system': 'aws-api',
      'rpc.service': 'S3',
      'rpc.method': 'UploadPart',
      'server.address': new URL(storage.endpoint).hostname,
      'server.port': Number(new URL(storage.endpoint).port),
    });
  });
});

describe('what is sent', () => {
  test('says why an attempt failed, in the words of the job', async () => {
    const { traceId, traceparent } = newContext();
    sink = await new OtlpSink().start();
    start(sink.endpoint, { S3_SECRET_ACCESS_KEY: 'wrong' });
    // A refused key is an outage: the worker takes no further attempt.
    const { error } = await system.reaches(await addExport(traceparent, 1), 'failed');
    const spans = await sink.trace(traceId, `process ${system.name}`);
    const failed = spans.filter(({ status }) => status.code === ERROR);
    expect(failed.map(({ name }) => name)).toContain(`process ${system.name}`);
    expect(failed.map(({ name }) => name)).toContain('S3/ListObjectsV2');
    expect(find(spans, `process ${system.name}`).status.message).toBe(error);
    find(spans, `ack ${system.name}`);
  });

  test('tells of a message that is not valid, whatever its header holds', async () => {
    const receiver = await startWithSink();
    for (const traceparent of ['nonsense', 7, { deep: [] }]) {
      system.publish('nonsense', { traceparent });
      await eventually('the dead letter', () => system.deadLetter());
    }
    const spans = await eventually('three messages', () => {
      const found = receiver.spans.filter(({ name }) => name.startsWith('process'));
      return found.length === 3 && found;
    });
    for (const span of spans) {
      expect(span).toMatchObject({ status: { code: ERROR, message: 'The message is not valid.' } });
      expect(span.parentSpanId ?? '').toBe('');
    }
  });

  test('holds no secret, no literal and no row', async () => {
    const receiver = await startWithSink();
    const { traceId, traceparent } = newContext();
    const id = await addExport(traceparent);
    await system.reaches(id, 'succeeded');
    await receiver.trace(traceId, `process ${system.name}`);
    const sent = receiver.bodies.join();
    const { postgres, rabbitmq, storage } = system.settings();
    const secrets = [postgres.password, rabbitmq.password, storage.secretAccessKey];
    for (const canary of [...secrets, storage.accessKeyId, 'never-export-this', 'Ada', id]) {
      expect(sent).not.toContain(canary);
    }
  });

  test('leaves out readiness checks and heartbeats', async () => {
    const receiver = await startWithSink();
    await worker?.ready();
    for (let i = 0; i < 20; i++) await worker?.health('/readyz');
    const { traceId, traceparent } = newContext();
    await system.reaches(await addExport(traceparent), 'succeeded');
    const spans = await receiver.trace(traceId, `process ${system.name}`);
    expect(spans.map(({ name }) => name)).not.toContain('SELECT extend_job');
    expect(receiver.spans.filter((span) => span.traceId !== traceId)).toEqual([]);
  });

  test('is complete when the worker stops', async () => {
    const receiver = await startWithSink();
    const { traceId, traceparent } = newContext();
    const id = await addExport(traceparent);
    await system.reaches(id, 'running');
    worker?.kill('SIGTERM');
    expect(await worker?.exited).toBe(0);
    await receiver.trace(traceId, `process ${system.name}`);
  });

  test('is nothing where the sender does not sample', async () => {
    const receiver = await startWithSink();
    const [unsampled, sampled] = [newContext(), newContext()];
    await system.reaches(await addExport(unsampled.traceparent.replace(/01$/, '00')), 'succeeded');
    await system.reaches(await addExport(sampled.traceparent), 'succeeded');
    await receiver.trace(sampled.traceId, `process ${system.name}`);
    expect(receiver.bodies.join()).not.toContain(unsampled.traceId);
  });
});

describe('a receiver', () => {
  test.each([
    ['is away', undefined],
    ['never answers', 'silence'],
    ['answers with an error', { status: 500, body: 'no' }],
    ['answers with garbage', { status: 200, body: '<html>' }],
  ] as const)('that %s holds up neither jobs nor the end', async (_, answer) => {
    if (answer) await startWithSink(answer);
    else start('http://127.0.0.1:9');
    await worker?.ready();
    const before = performance.now();
    for (let i = 0; i < 3; i++) await system.reaches(await addExport(), 'succeeded');
    expect(performance.now() - before).toBeLessThan(10_000);
    const stopping = performance.now();
    worker?.kill('SIGTERM');
    expect(await worker?.exited).toBe(0);
    expect(performance.now() - stopping).toBeLessThan(5000);
    const told = worker?.lines.filter(({ event }) => event === 'telemetry.not_sent') ?? [];
    expect(told.length).toBeLessThanOrEqual(1);
    expect(worker?.stderr).toBe('');
  });

  test('that is away is named in the log, once', async () => {
    start('http://127.0.0.1:9');
    for (let i = 0; i < 2; i++) await system.reaches(await addExport(), 'succeeded');
    const line = await eventually('the log line', () => worker?.logged('telemetry.not_sent'));
    expect(line).toMatchObject({ level: 'warn', endpoint: 'http://127.0.0.1:9' });
    expect(String(line.reason)).toContain('ECONNREFUSED');
  });

  test.each(['observe:4318', 'nonsense', 'ftp://observe'])(
    'whose address is %s is refused',
    async (endpoint) => {
      start(endpoint);
      expect(await worker?.exited).toBe(1);
      expect(worker?.stderr).toContain(
        'OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https address',
      );
    },
  );
});

describe('the summary of a statement', () => {
  test.each([
    ['UPDATE jobs SET status = $1 WHERE id = $2', 'UPDATE', 'jobs'],
    ['WITH job AS (UPDATE jobs SET a = 1) INSERT INTO outbox SELECT FROM job', 'UPDATE', 'jobs'],
    ["COPY (SELECT 'FROM secrets' FROM users u JOIN roles r ON true) TO STDOUT", 'COPY', 'users'],
    ['COPY users FROM STDIN', 'COPY', 'users'],
    ['select 1', 'SELECT', ''],
  ])('of %s', (sql, verb, table) => {
    expect(summarize(sql)).toEqual({ verb, table });
  });

  test.each(['BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', 'COMMIT', ''])(
    'of "%s" is none',
    (sql) => {
      expect(summarize(sql)).toBeUndefined();
    },
  );
});
