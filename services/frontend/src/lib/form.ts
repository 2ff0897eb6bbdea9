import type { FieldValues, Path, UseFormReturn } from 'react-hook-form';
import type { FieldError } from '@/client';
import { ApiError, describeError } from './problem';

/** Refusals that are about one field although the API does not name it: code → field. */
const fieldOfCode: Record<string, string> = {
  email_taken: 'email',
  second_factor_wrong: 'code',
};

/** Shows why the API refused a form: at the fields it names, else above the form. */
export function showFormError<T extends FieldValues>(form: UseFormReturn<T>, error: unknown): void {
  const known = fieldErrorsOf(error).filter(({ field }) => field in form.getValues());
  const [first] = known;
  if (!first) {
    form.setError('root', { message: describeError(error) });
    return;
  }
  for (const { field, message } of known) form.setError(field as Path<T>, { message });
  form.setFocus(first.field as Path<T>);
}

function fieldErrorsOf(error: unknown): FieldError[] {
  if (!(error instanceof ApiError)) return [];
  const field = fieldOfCode[error.code];
  if (field) return [{ field, message: error.message }];
  return error.fields.map(({ field, message }) => ({ field: field.replace('body.', ''), message }));
}
