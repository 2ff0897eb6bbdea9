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
import type { Logger } from './logger.ts';
import type { Settings } from './settings.ts';

/*
 * Spans of the calls that a message leads to. The API of OpenTelemetry does nothing until
 * telemetry.ts has registered the SDK. A call outside of a message makes no span, so that
 * readiness checks don't flood; heartbeats run `untraced` for the same reason.
 */
const tracer = trace.getTracer('worker');

/**
 * Sends spans from now on, where the settings say so: the SDK is loaded only then.
 * @returns what sends the rest
 */
export async function startTelemetry(
  settings: Settings,
  logger: Logger,
): Promise<() => Promise<void>> {
  if (!settings.telemetry) return () => Promise.resolve();
  const telemetry = await import('./telemetry.ts');
  return telemetry.startTelemetry(settings.telemetry, logger);
}

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

/** The trace context of this call, for another process. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

/** Does `work` in the trace context that another process gave. */
export function continueTrace<T>(headers: Record<string, string>, work: () => T): T {
  return context.with(propagation.extract(ROOT_CONTEXT, headers), work);
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
