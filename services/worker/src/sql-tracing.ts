import { finished, Readable } from 'node:stream';
import type { Attributes } from '@opentelemetry/api';
import type { Client, Pool } from 'pg';
import { startCall } from './tracing.ts';

const LITERAL = /'(?:[^']|'')*'/g;
const VERB = /\b(?:SELECT|INSERT|UPDATE|DELETE|COPY)\b/i;
const TABLE = /\b(?:FROM|INTO|UPDATE|COPY)\s+([a-z_][\w.]*)/i;

/** Makes a span of each statement that goes through `target`; `server` tells where that is. */
export function traceStatements<T extends Client | Pool>(target: T, server: Attributes): T {
  const query = target.query.bind(target) as (...args: unknown[]) => unknown;
  const traced = (...args: unknown[]): unknown => {
    const operation = summarize(textOf(args[0]));
    if (!operation) return query(...args);
    const { verb, table } = operation;
    const summary = `${verb} ${table}`.trimEnd();
    const end = startCall(summary, {
      ...server,
      'db.system.name': 'postgresql',
      'db.operation.name': verb,
      'db.query.summary': summary,
      ...(table && { 'db.collection.name': table }),
    });
    const result = query(...args);
    if (result instanceof Promise) {
      result.then(() => {
        end();
      }, end);
    }
    // A COPY lasts until its last row is read.
    if (result instanceof Readable) finished(result, end);
    return result;
  };
  return Object.assign(target, { query: traced });
}

/** What a statement does first, and to which table; nothing for BEGIN and the like. Holds no value. */
export function summarize(sql: string): { verb: string; table: string } | undefined {
  const text = sql.replaceAll(LITERAL, "''");
  const verb = VERB.exec(text)?.[0].toUpperCase();
  return verb ? { verb, table: TABLE.exec(text)?.[1] ?? '' } : undefined;
}

/** Of a string, a query's configuration or a COPY stream. */
function textOf(statement: unknown): string {
  if (typeof statement === 'string') return statement;
  return (statement as { text?: string }).text ?? '';
}
