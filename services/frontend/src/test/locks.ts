/** Gives the page what browsers have, and happy-dom lacks: locks with one holder at a time. */
export function withLocks(): void {
  let last: Promise<unknown> = Promise.resolve();
  const request = (_name: string, action: () => Promise<unknown>) => {
    const turn = last.then(action);
    last = turn.catch(() => undefined);
    return turn;
  };
  Object.defineProperty(navigator, 'locks', { value: { request }, configurable: true });
}
