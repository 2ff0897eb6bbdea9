import type { ReactNode } from 'react';

type Props = { title: string; action?: ReactNode; children: ReactNode };

/** Head and body of a page; also names the browser tab. */
export function Page({ title, action, children }: Props) {
  return (
    <>
      <title>{`${title} · Groundplan`}</title>
      <div className="mb-6 flex min-h-10 flex-wrap items-center justify-between gap-4">
        <h1 className="text-2xl font-semibold tracking-tight">{title}</h1>
        {action}
      </div>
      <div className="grid gap-6">{children}</div>
    </>
  );
}

export function Card({ title, children }: { title?: string; children: ReactNode }) {
  return (
    <section className="border-line bg-surface rounded-xl border p-5">
      {title && <h2 className="mb-5 text-lg font-semibold">{title}</h2>}
      {children}
    </section>
  );
}

/** Stands where content will be. */
export function Loading() {
  return (
    <p role="status" className="text-muted py-10 text-center text-sm">
      Loading…
    </p>
  );
}

export function Empty({ children }: { children: ReactNode }) {
  return <p className="text-muted py-10 text-center text-sm">{children}</p>;
}
