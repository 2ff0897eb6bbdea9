import { Notice } from './notice';

/** What is wrong with a form as a whole. Shows nothing without an error. */
export function FormError({ error }: { error: { message?: string } | undefined }) {
  if (!error) return null;
  return (
    <Notice tone="danger" role="alert">
      {error.message}
    </Notice>
  );
}
