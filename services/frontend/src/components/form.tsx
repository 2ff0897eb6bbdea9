import { zodResolver } from '@hookform/resolvers/zod';
import { type ReactNode, useEffect } from 'react';
import { type DefaultValues, type FieldValues, type Path, useForm } from 'react-hook-form';
import type * as z from 'zod/mini';
import { showFormError } from '@/lib/form';
import { Button } from './button';
import { Notice } from './notice';

type Props<T extends FieldValues> = {
  schema: z.core.$ZodType<T, T>;
  defaultValues: DefaultValues<T>;
  /** Sends what was entered. Where it fails, the form says why: at the fields that the API names, else above. */
  send: (values: T) => Promise<unknown>;
  /** Words of the button that sends. */
  submit: string;
  /** The fields; `field(name)` ties one to its value and its error. */
  children: (field: (name: Path<T>) => FieldProps) => ReactNode;
  /** Shown above the fields while nothing is wrong. */
  notice?: ReactNode;
  /** What the form is about to do, below its button. */
  note?: string;
  /** The field that has the focus at first. */
  focus?: Path<T>;
  onCancel?: () => void;
};

export type FieldProps = ReturnType<ReturnType<typeof useForm>['register']> & {
  error: string | undefined;
};

/** A form that checks what is entered, sends it, and says what is wrong with it. */
export function Form<T extends FieldValues>(props: Props<T>) {
  const { schema, defaultValues, focus } = props;
  const form = useForm<T>({ resolver: zodResolver(schema), defaultValues });
  const { errors, isSubmitting } = form.formState;
  useEffect(() => {
    if (focus) form.setFocus(focus);
  }, [form, focus]);
  const submit = form.handleSubmit((values) =>
    props.send(values).catch((error: unknown) => showFormError(form, error)),
  );
  const field = (name: Path<T>) => ({
    ...form.register(name),
    error: form.getFieldState(name, form.formState).error?.message,
  });
  return (
    <form noValidate onSubmit={submit} className="grid gap-4">
      {errors.root ? (
        <Notice tone="danger" role="alert">
          {errors.root.message}
        </Notice>
      ) : (
        props.notice
      )}
      {props.children(field)}
      <div className={props.onCancel ? 'mt-2 flex flex-wrap justify-end gap-3' : 'grid'}>
        {props.onCancel && <Button onClick={props.onCancel}>Cancel</Button>}
        <Button type="submit" look="primary" busy={isSubmitting}>
          {props.submit}
        </Button>
      </div>
      {props.note && <p className="text-muted text-sm">{props.note}</p>}
    </form>
  );
}
