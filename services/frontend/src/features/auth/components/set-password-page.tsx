import { useState } from 'react';
import { Centered } from '@/components/centered';
import { Message } from '@/components/message';
import { Card } from '@/components/page';
import { TextLink } from '@/components/text-link';
import { type MailLink, mailLink } from '@/lib/mail-link';
import { useStore } from '@/lib/store';
import { SetPasswordForm } from './set-password-form';

/** Where the links in mails lead: a forgotten password, and the first one of somebody who was invited. */
export function SetPasswordPage() {
  const link = useStore(mailLink, (current) => current);
  return <Centered>{link ? <Opened key={link.token} link={link} /> : <NoLink />}</Centered>;
}

function Opened({ link }: { link: MailLink }) {
  const [isDead, setDead] = useState(false);
  if (isDead) return <DeadLink invited={link.invited} />;
  const title = link.invited ? 'Welcome' : 'Set a new password';
  return (
    <Card>
      <title>{`${title} · Groundplan`}</title>
      <h1 className="mb-5 text-xl font-semibold tracking-tight">{title}</h1>
      {link.invited && <p className="mb-5 text-sm">Choose a password for your account.</p>}
      <SetPasswordForm token={link.token} onDeadLink={() => setDead(true)} />
    </Card>
  );
}

function DeadLink({ invited }: { invited: boolean }) {
  const text = 'It is too old, was used before, or a newer one was sent.';
  return (
    <Message
      role="alert"
      title="This link no longer works"
      text={invited ? `${text} Ask whoever invited you to send another one.` : text}
    >
      {invited ? (
        <TextLink to="/sign-in">Go to sign in</TextLink>
      ) : (
        <TextLink to="/forgot-password">Ask for a new link</TextLink>
      )}
    </Message>
  );
}

function NoLink() {
  return (
    <Message
      title="Open the link in the mail again"
      text="This page serves only with a link that was mailed to you."
    >
      <TextLink to="/sign-in">Go to sign in</TextLink>
    </Message>
  );
}
