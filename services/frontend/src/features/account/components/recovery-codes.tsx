import { useEffect, useRef, useState } from 'react';
import { Button } from '@/components/button';
import { Notice } from '@/components/notice';

type Props = { codes: string[]; onDone: () => void };

/** The codes that stand in for a lost phone. The API tells them this once. */
export function RecoveryCodes({ codes, onDone }: Props) {
  const [copied, setCopied] = useState<boolean | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const text = `${codes.join('\n')}\n`;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // Not allowed, or not there: browsers have it on HTTPS and localhost only.
      setCopied(false);
    }
  };
  return (
    <div className="grid gap-4">
      <h3 ref={heading} tabIndex={-1} className="font-medium outline-none">
        The second factor is on. Keep your recovery codes
      </h3>
      <p className="text-sm">
        Without your phone, each of these signs you in once. They are not shown again.
      </p>
      <ul
        aria-label="Recovery codes"
        className="border-line grid grid-cols-1 gap-x-8 gap-y-1 rounded-lg border p-4 font-mono text-sm min-[24rem]:grid-cols-2 sm:max-w-sm"
      >
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      {copied !== null && (
        <Notice tone={copied ? 'info' : 'warning'} role="status">
          {copied ? 'Copied.' : 'The browser does not allow copying here. Download them instead.'}
        </Notice>
      )}
      <div className="flex flex-wrap gap-3">
        <Button onClick={() => void copy()}>Copy</Button>
        <Button onClick={() => download(text)}>Download</Button>
        <Button look="primary" onClick={onDone}>
          I have kept them
        </Button>
      </div>
    </div>
  );
}

function download(text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = 'recovery-codes.txt';
  link.click();
  URL.revokeObjectURL(url);
}
