import { type ComponentProps, type ReactNode, useId } from 'react';

const control =
  'border-control bg-surface text-ink aria-invalid:border-danger block min-h-10 w-full rounded-lg border px-3 text-base sm:text-sm';

type FieldProps = { label: string; hint?: string | undefined; error?: string | undefined };

/** Attributes that tie a control to its label and to the note below it. */
function useWiring({ hint, error }: FieldProps) {
  const id = useId();
  return {
    id,
    'aria-describedby': error || hint ? `${id}-note` : undefined,
    'aria-invalid': error ? true : undefined,
  };
}

type FrameProps = FieldProps & { id: string; children: ReactNode };

function Frame({ id, label, hint, error, children }: FrameProps) {
  return (
    <div className="grid content-start gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {children}
      {(error ?? hint) && (
        <p id={`${id}-note`} className={`text-sm ${error ? 'text-danger' : 'text-muted'}`}>
          {error ?? hint}
        </p>
      )}
    </div>
  );
}

export function TextField({ label, hint, error, ...rest }: FieldProps & ComponentProps<'input'>) {
  const field = { label, hint, error };
  const wiring = useWiring(field);
  return (
    <Frame id={wiring.id} {...field}>
      <input className={control} {...wiring} {...rest} />
    </Frame>
  );
}

type SelectProps = FieldProps & ComponentProps<'select'> & { options: Record<string, string> };

/** `options`: value → words. */
export function SelectField({ label, hint, error, options, ...rest }: SelectProps) {
  const field = { label, hint, error };
  const wiring = useWiring(field);
  return (
    <Frame id={wiring.id} {...field}>
      <div className="relative">
        <select className={`${control} appearance-none truncate pr-9`} {...wiring} {...rest}>
          {Object.entries(options).map(([value, words]) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
        <svg
          aria-hidden="true"
          viewBox="0 0 16 16"
          className="text-muted pointer-events-none absolute top-3 right-3 size-4 fill-none stroke-current stroke-2"
        >
          <path d="M4 6l4 4 4-4" />
        </svg>
      </div>
    </Frame>
  );
}

/** A box to tick, with its label beside it. */
export function CheckField({ label, hint, ...rest }: FieldProps & ComponentProps<'input'>) {
  const wiring = useWiring({ label, hint });
  return (
    <div className="grid grid-cols-[auto_1fr] items-center gap-x-3 gap-y-1">
      <input type="checkbox" className="accent-accent size-5" {...wiring} {...rest} />
      <label htmlFor={wiring.id} className="text-sm font-medium">
        {label}
      </label>
      {hint && (
        <p id={`${wiring.id}-note`} className="text-muted col-start-2 text-sm">
          {hint}
        </p>
      )}
    </div>
  );
}
