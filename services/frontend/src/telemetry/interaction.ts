import { Kind, now, Span, type SpanContext } from './otlp';

/** A request that begins so soon after the event, or after a request of it, belongs to it: ms. */
const PATIENCE = 300;
/** Whatever goes on for longer is no longer the answer to one event: ms. */
const LONGEST = 10_000;
const LONGEST_NAME = 60;

/**
 * What a user did, and the requests that followed: the root of a trace. Browsers don't tell what
 * led to a request, so time decides.
 */
export class Interaction {
  readonly #span: Span;
  readonly #onEnd: (span: object) => void;
  readonly #startedAt = now();
  #lastActive = this.#startedAt;
  #running = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(event: Event, onEnd: (span: object) => void) {
    this.#span = new Span(nameOf(event), { kind: Kind.internal });
    this.#onEnd = onEnd;
  }

  get isFresh(): boolean {
    return this.#running > 0 || now() - this.#lastActive < PATIENCE;
  }

  /** The parent of a request that begins now; nothing where the interaction is over. */
  join(): SpanContext | undefined {
    if (!this.isFresh || now() - this.#startedAt > LONGEST) return undefined;
    this.#running += 1;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#span;
  }

  /** A request that joined is over; with the last one, and some patience, so is the interaction. */
  leave(): void {
    this.#running -= 1;
    this.#lastActive = now();
    if (this.#running === 0) this.#timer = setTimeout(() => this.finish(), PATIENCE);
  }

  /** Ends it now, where only patience was keeping it open. */
  finish(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#onEnd(this.#span.end(undefined, this.#lastActive));
  }
}

/** "click Start export". Only what the page itself says: never what people typed. */
function nameOf({ type, target }: Event): string {
  if (!(target instanceof Element)) return type;
  const control = target.closest('button, a');
  const label = control ? control.textContent.trim() : target.getAttribute('name');
  return `${type} ${label ?? target.localName}`.slice(0, LONGEST_NAME);
}
