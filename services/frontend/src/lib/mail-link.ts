import { Store } from './store';

/** What a link in a mail brings: it proves that the mail was received, once. */
export type MailLink = { token: string; invited: boolean };

/** The link that led here. In memory only: in the address bar and the history it would be there for others to find. */
export const mailLink = new Store<MailLink | null>(null);

/** Takes the link's token from the fragment (`token=…&invited=1`). Returns whether there was one. */
export function takeMailLink(fragment: string): boolean {
  const fields = new URLSearchParams(fragment);
  const token = fields.get('token');
  if (!token) return false;
  mailLink.set({ token, invited: fields.has('invited') });
  return true;
}
