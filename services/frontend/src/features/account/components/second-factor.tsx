import { lazy, Suspense, useState } from 'react';
import { Badge } from '@/components/badge';
import { Button } from '@/components/button';
import { ErrorAlert } from '@/components/notice';
import { Loading } from '@/components/page';
import { useMe } from '@/lib/me';
import { useBeginSecondFactor } from '../api/second-factor';
import { DisableSecondFactor } from './disable-second-factor';
import { RecoveryCodes } from './recovery-codes';

// Brings a library that draws QR codes.
const SetUp = lazy(() => import('./set-up-second-factor'));

/** Whether signing in needs a code, and the way to change that: set up → confirm → recovery codes, shown once. */
export function SecondFactor() {
  const isOn = useMe().second_factor;
  const begin = useBeginSecondFactor();
  const [codes, setCodes] = useState<string[] | null>(null);
  if (codes) return <RecoveryCodes codes={codes} onDone={() => setCodes(null)} />;
  if (isOn) return <On />;
  if (begin.data) {
    return (
      <Suspense fallback={<Loading />}>
        <SetUp setup={begin.data} onConfirmed={setCodes} onCancel={begin.reset} />
      </Suspense>
    );
  }
  return (
    <div className="grid justify-items-start gap-4">
      <p className="text-sm">
        A code from an app on your phone, beside your password: whoever learns the password alone
        can’t sign in.
      </p>
      <ErrorAlert error={begin.error} />
      <Button busy={begin.isPending} onClick={() => begin.mutate()}>
        Set up
      </Button>
    </div>
  );
}

function On() {
  const [disabling, setDisabling] = useState(false);
  return (
    <div className="flex flex-wrap items-center justify-between gap-4">
      <p className="flex items-center gap-3 text-sm">
        <Badge tone="success">On</Badge> Signing in needs a code.
      </p>
      <Button look="danger" onClick={() => setDisabling(true)}>
        Turn off
      </Button>
      {disabling && <DisableSecondFactor onClose={() => setDisabling(false)} />}
    </div>
  );
}
