import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
} from '@opentelemetry/api';
import { describe } from './errors.ts';

/*
 * Spans of the calls that a message leads to. The API of OpenTelemetry does nothing until
 * telemetry.ts has registered the SDK. A call outside of a message makes no span, so that
 * readiness checks don't flood; heartbeats run `untraced` for the same reason.
 */
const tracer = trace.getTracer('worker');

/** The words for people, or nothing where what was thrown is an expected answer. */
export type Describe = (error: unknown) => string | undefined;

/**
 * Does `work` in a CONSUMER span, a child of the W3C trace context in `headers`, if there is one.
 * @param startTime when it began, in milliseconds since 1970
 */
export async function traceMessage<T>(
  name: string,
  attributes: Attributes,
  headers: Record<string, unknown>,
  startTime: number,
  work: () => Promise<T>,
): Promise<T> {
  const parent = propagation.extract(ROOT_CONTEXT, headers);
  const options = { kind: SpanKind.CONSUMER, attributes, startTime };
  return tracer.startActiveSpan(name, options, parent, async (span) => {
    try {
      return await work();
    } finally {
      span.end();
    }
  });
}

/** Does a call to a server in a CLIENT span. */
export async function traceCall<T>(
  name: string,
  attributes: Attributes,
  call: () => Promise<T>,
  toText: Describe = describe,
): Promise<T> {
  const end = startCall(name, attributes, toText);
  try {
    const result = await call();
    end();
    return result;
  } catch (error) {
    end(error);
    throw error;
  }
}

/** Starts a CLIENT span; returns what ends it, with an error if it failed. */
export function startCall(
  name: string,
  attributes: Attributes,
  toText: Describe = describe,
): (error?: unknown) => void {
  if (!trace.getActiveSpan()) return () => undefined;
  const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes });
  return (error) => {
    const text = error === undefined ? undefined : toText(error);
    if (text !== undefined) markFailed(text, error, span);
    span.end();
  };
}

/** Says in the message's span why it failed, in words for people. */
export function markFailed(text: string, error: unknown, span = trace.getActiveSpan()): void {
  span?.setAttribute('error.type', typeOf(error));
  span?.setStatus({ code: SpanStatusCode.ERROR, message: text });
}

/** Calls within `work` make no spans. */
export function untraced<T>(work: () => T): T {
  return context.with(ROOT_CONTEXT, work);
}

/** Its code, such as an SQLSTATE or ECONNREFUSED, else its name. */
function typeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
