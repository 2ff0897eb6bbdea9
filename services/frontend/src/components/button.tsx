import type { ButtonHTMLAttributes } from 'react';

const looks = {
  primary: 'border-accent bg-accent text-on-accent hover:opacity-90',
  secondary: 'border-control bg-surface text-ink hover:bg-accent-soft',
  quiet: 'border-transparent text-accent hover:bg-accent-soft',
  danger: 'border-transparent text-danger hover:bg-danger-soft',
};

type Props = ButtonHTMLAttributes<HTMLButtonElement> & {
  look?: keyof typeof looks;
  /** Its action is under way: the button takes no further click. */
  busy?: boolean;
};

export function Button({ look = 'secondary', busy = false, disabled, ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      disabled={busy || disabled}
      aria-busy={busy}
      className={`inline-flex min-h-10 cursor-pointer items-center justify-center rounded-lg border px-4 text-sm font-medium whitespace-nowrap transition-colors disabled:cursor-default disabled:opacity-55 ${looks[look]}`}
    />
  );
}
