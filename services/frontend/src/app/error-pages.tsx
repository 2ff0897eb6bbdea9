import { type ErrorComponentProps, Link, useRouter } from '@tanstack/react-router';
import { Button } from '@/components/button';
import { Centered } from '@/components/centered';
import { Message } from '@/components/message';
import { describeError } from '@/lib/problem';

/** Stands in the content of a page that failed. */
export function RouteError({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const retry = () => {
    reset();
    void router.invalidate();
  };
  return (
    <Message role="alert" title="This page could not be shown" text={describeError(error)}>
      <Button look="primary" onClick={retry}>
        Try again
      </Button>
    </Message>
  );
}

/** Stands in for everything, when not even the navigation can be shown. */
export function AppError(props: ErrorComponentProps) {
  return (
    <Centered>
      <RouteError {...props} />
    </Centered>
  );
}

export function NotFound() {
  return (
    <Centered>
      <Message title="Page not found" text="There is nothing at this address.">
        <Link to="/" className="text-accent font-medium underline underline-offset-4">
          Go to the start page
        </Link>
      </Message>
    </Centered>
  );
}
