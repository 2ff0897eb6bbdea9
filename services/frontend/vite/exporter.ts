import { type Span, toRequest } from '../src/telemetry/otlp.ts';

const DELAY = 500;
const TIMEOUT = 2_000;
const MOST_SPANS = 2_000;

/**
 * Sends spans, collected over half a second, to an OTLP/HTTP receiver. Too many are dropped; a
 * failure is told once and harms nothing.
 */
export class Exporter {
  /** Told why the receiver got nothing. */
  warn: (message: string) => void = () => undefined;
  readonly #url: string;
  readonly #service: string;
  #spans: object[] = [];
  #timer: NodeJS.Timeout | undefined;
  #told = false;

  /** @param endpoint base address, without /v1/traces */
  constructor(endpoint: string, service: string) {
    this.#url = `${endpoint.replace(/\/+$/, '')}/v1/traces`;
    this.#service = service;
  }

  /** Ends a span by the status of the answer; there is none where the other side went away. */
  end(span: Span, status?: number): void {
    if (status !== undefined) span.attributes['http.response.status_code'] = status;
    const failure = status !== undefined && status >= 500 ? `The answer was ${status}.` : undefined;
    if (this.#spans.length >= MOST_SPANS) return;
    this.#spans.push(span.end(failure));
    this.#timer ??= setTimeout(() => void this.flush(), DELAY).unref();
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#spans.length === 0) return;
    const body = toRequest(this.#service, this.#spans);
    this.#spans = [];
    await this.send(body);
  }

  /** Sends a whole request, such as the browser's. Does not throw. */
  async send(body: string): Promise<void> {
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body,
        signal: AbortSignal.timeout(TIMEOUT),
      });
      if (!response.ok) this.#tell(`it answered ${response.status}`);
    } catch (error) {
      const { cause, message } = error as Error;
      this.#tell(cause instanceof Error ? cause.message : message);
    }
  }

  #tell(reason: string): void {
    if (!this.#told) this.warn(`Traces could not be sent to ${this.#url}: ${reason}.`);
    this.#told = true;
  }
}
