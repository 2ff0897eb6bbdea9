import { Button } from '@/components/button';
import { ErrorAlert } from '@/components/notice';
import { useSignOut } from '../api/sign-out';

export function SignOutButton() {
  const signOut = useSignOut();
  return (
    <>
      <Button look="quiet" busy={signOut.isPending} onClick={() => signOut.mutate()}>
        Sign out
      </Button>
      {signOut.isError && (
        <div className="fixed inset-x-4 bottom-4 z-10 mx-auto max-w-lg">
          <ErrorAlert error={signOut.error} onRetry={() => signOut.mutate()} />
        </div>
      )}
    </>
  );
}
