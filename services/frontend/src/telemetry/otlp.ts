/**
 * Spans as OTLP/JSON: all that the page and its server need of OpenTelemetry, where the SDK would
 * add 17 kB to the page. Knows neither the browser nor Node.js.
 */
export type Attributes = Record<string, string | number>;
export type SpanContext = { traceId: string; spanId: string };

/** OTLP's numbers. */
export const Kind = { internal: 1, server: 2, client: 3 } as const;
const ERROR = 2;

type Options = {
  kind: (typeof Kind)[keyof typeof Kind];
  attributes?: Attributes;
  parent?: SpanContext | undefined;
  spanId?: string;
  /** Milliseconds since 1970. */
  startedAt?: number;
};

export class Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: Attributes;
  readonly #options: Options;
  readonly #startedAt: number;

  constructor(name: string, options: Options) {
    this.name = name;
    this.traceId = options.parent?.traceId ?? randomHex(16);
    this.spanId = options.spanId ?? randomHex(8);
    this.attributes = { ...options.attributes };
    this.#options = options;
    this.#startedAt = options.startedAt ?? now();
  }

  /** Its W3C trace context, for the headers of what it calls. */
  get traceparent(): string {
    return `00-${this.traceId}-${this.spanId}-01`;
  }

  /** Ends it; with words for people where it failed. */
  end(failure?: string, endedAt = now()): object {
    const { kind, parent } = this.#options;
    return {
      traceId: this.traceId,
      spanId: this.spanId,
      parentSpanId: parent?.spanId ?? '',
      name: this.name,
      kind,
      startTimeUnixNano: toNanoseconds(this.#startedAt),
      endTimeUnixNano: toNanoseconds(endedAt),
      attributes: toOtlp(this.attributes),
      status: failure === undefined ? {} : { code: ERROR, message: failure },
    };
  }
}

/** The body of a request to /v1/traces. */
export function toRequest(service: string, spans: object[]): string {
  const resource = { attributes: toOtlp({ 'service.name': service }) };
  return JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] });
}

/** Nothing where there is no header, or one that is not valid. */
export function parseTraceparent(header: string | undefined): SpanContext | undefined {
  const [, traceId, spanId] =
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(header ?? '') ?? [];
  return traceId && spanId ? { traceId, spanId } : undefined;
}

/** "GET /api/v1/jobs/{id}": few different names, whatever the identifiers. */
export function operation(method: string, path: string): string {
  return `${method} ${path.replaceAll(/(?<=\/)(\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=\/|$)/gi, '{id}')}`;
}

/** Milliseconds since 1970, finer than `Date.now`. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

function toNanoseconds(ms: number): string {
  return `${Math.round(ms * 1_000)}000`;
}

function toOtlp(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: value } : { stringValue: value },
  }));
}

function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}
