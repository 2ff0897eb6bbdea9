import type { ReactNode } from 'react';
import { Logo } from './logo';

/** A page of its own, without navigation. */
export function Centered({ children }: { children: ReactNode }) {
  return (
    <main className="mx-auto grid min-h-dvh w-full max-w-md content-center gap-6 p-4">
      <p className="text-center text-lg">
        <Logo />
      </p>
      {children}
    </main>
  );
}
