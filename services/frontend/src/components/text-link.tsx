import { Link, type LinkProps } from '@tanstack/react-router';

/** A link in a text or below a form. */
export function TextLink(props: LinkProps) {
  return <Link {...props} className="text-accent font-medium underline underline-offset-4" />;
}
