import type { ReactNode } from 'react';

type Props = { title: string; text: string; children: ReactNode; role?: 'alert' };

/** Fills a page that has nothing else to show: what happened, and where to go from here. */
export function Message({ title, text, children, role }: Props) {
  return (
    <div role={role} className="grid justify-items-center gap-4 py-6 text-center">
      <title>{`${title} · Groundplan`}</title>
      <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
      <p className="text-muted">{text}</p>
      {children}
    </div>
  );
}
