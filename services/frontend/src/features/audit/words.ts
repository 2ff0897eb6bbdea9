import type { AuditEventOut, Event } from '@/client';

/** What the API writes down, in the order of the filter: its title there, and what it says of one. */
const words: Record<Event, [title: string, sentence: string]> = {
  'auth.login': ['Signed in', '{who} signed in'],
  'auth.login_refused': ['Sign-in refused', 'Refused to sign in {whom}'],
  'auth.locked': ['Sign-in locked', 'Too many wrong passwords: sign-in locked for a while'],
  'auth.logout': ['Signed out', '{who} signed out'],
  'auth.session_ended': ['Another device signed out', '{who} signed out another device'],
  'auth.signed_out_everywhere': ['Signed out everywhere', '{who} signed out everywhere'],
  'auth.refresh_reused': [
    'Token used twice',
    'A refresh token of {whom} was used twice and may be stolen: that session has ended',
  ],
  'auth.password_changed': ['Password changed', '{who} changed their password'],
  'auth.password_reset_requested': [
    'Password link asked for',
    'Somebody asked for a link to set a new password of {whom}',
  ],
  'auth.password_reset': ['Password set by link', '{who} set a new password by a mailed link'],
  'auth.invitation_accepted': ['Invitation accepted', '{who} accepted the invitation'],
  'auth.second_factor_on': ['Second factor turned on', '{who} turned on the second factor'],
  'auth.second_factor_off': [
    'Second factor turned off',
    '{who} turned off the second factor of {whom}',
  ],
  'auth.recovery_code_used': ['Recovery code used', '{who} used a recovery code'],
  'user.created': ['User created', '{who} created {whom}'],
  'user.changed': ['User changed', '{who} changed {whom}'],
  'user.invited': ['User invited', '{who} invited {whom}'],
  'user.activated': ['User activated', '{who} activated {whom}'],
  'user.deactivated': ['User deactivated', '{who} deactivated {whom}'],
  'role.created': ['Role created', '{who} created {whom}'],
  'role.changed': ['Role changed', '{who} changed {whom}'],
  'role.deleted': ['Role deleted', '{who} deleted {whom}'],
  'job.replayed': ['Failed job replayed', '{who} replayed {whom}'],
  'job.discarded': ['Failed job discarded', '{who} discarded {whom}'],
  'mail.dropped': ['Mail given up', 'A mail to {whom} could not be delivered'],
};

/** event → title */
export const titles = Object.fromEntries(
  Object.entries(words).map(([event, [title]]) => [event, title]),
);

/** "ada@example.com changed the user grace@example.com: role" */
export function sentenceOf(happened: AuditEventOut): string {
  const { actor, event, details } = happened;
  const who = actor ? (actor.email ?? 'Somebody who is gone') : 'Somebody';
  // A newer API than this page: better a code than nothing.
  const [, sentence] = (words as Partial<typeof words>)[event] ?? ['', `{who}: ${event}`];
  // By functions: what people are called may hold a `$`, which a plain replacement would read.
  const said = sentence.replace('{who}', () => who).replace('{whom}', () => whomOf(happened));
  return said + noteOf(details);
}

function whomOf({ actor, subject, details }: AuditEventOut): string {
  if (!subject) return 'an unknown account';
  if (subject.id === actor?.id) return 'their own account';
  const said = typeof details.name === 'string' ? details.name : subject.id.slice(0, 8);
  const name = subject.name ?? said;
  return `the ${subject.type} ${name}`;
}

/** What else is worth knowing. */
function noteOf({ second_factor, reason, fields }: AuditEventOut['details']): string {
  if (second_factor === true) return ' with a second factor';
  if (reason === 'second_factor_wrong') return ': wrong code';
  return Array.isArray(fields) && fields.length > 0 ? `: ${fields.join(', ')}` : '';
}
