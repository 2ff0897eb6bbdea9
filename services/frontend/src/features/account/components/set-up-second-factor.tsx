import { QRCodeSVG } from 'qrcode.react';
import * as z from 'zod/mini';
import type { SecondFactorSecret } from '@/client';
import { TextField } from '@/components/field';
import { Form } from '@/components/form';
import { useConfirmSecondFactor } from '../api/second-factor';

const schema = z.object({
  code: z.string().check(z.trim(), z.regex(/^\d{6}$/, 'Enter the 6 digits that the app shows.')),
});

type Props = {
  setup: SecondFactorSecret;
  onConfirmed: (recoveryCodes: string[]) => void;
  onCancel: () => void;
};

/** Hands the secret to an authenticator app, and has a code of it confirmed. */
export default function SetUpSecondFactor({ setup, onConfirmed, onCancel }: Props) {
  const confirm = useConfirmSecondFactor();
  const send = async ({ code }: { code: string }) => onConfirmed(await confirm.mutateAsync(code));
  return (
    <div className="grid gap-6 sm:grid-cols-[auto_1fr]">
      {/* Dark on light in both colour schemes: not every app reads the reverse. */}
      <div className="self-start justify-self-start rounded-lg bg-white p-3">
        <QRCodeSVG value={setup.uri} size={168} title="QR code for the authenticator app" />
      </div>
      <div className="grid max-w-sm content-start gap-4">
        <p className="text-sm">
          Scan the QR code with an authenticator app, or enter this secret by hand:
        </p>
        <p className="font-mono text-sm select-all">{inGroups(setup.secret)}</p>
        <Form
          schema={schema}
          defaultValues={{ code: '' }}
          send={send}
          submit="Turn on"
          focus="code"
          onCancel={onCancel}
        >
          {(field) => (
            <TextField
              label="Code"
              inputMode="numeric"
              autoComplete="one-time-code"
              hint="The 6 digits that the app shows now."
              {...field('code')}
            />
          )}
        </Form>
      </div>
    </div>
  );
}

/** "JBSW Y3DP …": easier to copy by eye. */
function inGroups(secret: string): string {
  return secret.replace(/.{4}(?=.)/g, '$& ');
}
