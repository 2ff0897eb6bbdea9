import { Button } from '@/components/button';
import { Centered } from '@/components/centered';
import { Message } from '@/components/message';
import { Loading } from '@/components/page';
import { session } from '@/lib/session';

/** Stands until it is known whether somebody is signed in. */
export function Splash({ status }: { status: 'restoring' | 'unreachable' }) {
  return (
    <Centered>
      {status === 'restoring' ? (
        <>
          <title>Groundplan</title>
          <Loading />
        </>
      ) : (
        <Message
          role="alert"
          title="The API can’t be reached"
          text="It may be starting, or the network is down."
        >
          <Button look="primary" onClick={() => void session.restore()}>
            Try again
          </Button>
        </Message>
      )}
    </Centered>
  );
}
