import { EventEmitter, once } from 'node:events';

/** A lock that many hold at once, or one alone. Who wants it alone goes before those who come later. */
export class SharedLock {
  readonly #events = new EventEmitter().setMaxListeners(0);
  #shared = 0;
  #isAlone = false;
  #wantedAlone = 0;

  /** Resolves once nobody holds the lock alone, or waits for that. @throws once `signal` is aborted. */
  async open(signal: AbortSignal): Promise<void> {
    await this.#until(() => !this.#isAlone && this.#wantedAlone === 0, signal);
  }

  /** Does `work` with the lock. @throws once `signal` is aborted while it waits. */
  async hold<T>(alone: boolean, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await (alone ? this.#takeAlone(signal) : this.#until(this.#tryShare, signal));
    try {
      return await work();
    } finally {
      if (alone) this.#isAlone = false;
      else this.#shared -= 1;
      this.#events.emit('change');
    }
  }

  async #takeAlone(signal: AbortSignal): Promise<void> {
    this.#wantedAlone += 1;
    try {
      await this.#until(this.#tryAlone, signal);
    } finally {
      this.#wantedAlone -= 1;
      this.#events.emit('change');
    }
  }

  readonly #tryShare = (): boolean => {
    if (this.#isAlone) return false;
    this.#shared += 1;
    return true;
  };

  readonly #tryAlone = (): boolean => {
    if (this.#isAlone || this.#shared > 0) return false;
    this.#isAlone = true;
    return true;
  };

  /** Looks again after each change; what `isDone` takes, it takes in the same step. */
  async #until(isDone: () => boolean, signal: AbortSignal): Promise<void> {
    while (!isDone()) await once(this.#events, 'change', { signal });
  }
}
