import { formatAgo, formatDateTime } from '@/lib/format';

/** A time as seen from now; the exact one shows on hovering. */
export function Ago({ time }: { time: string }) {
  return (
    <time dateTime={time} title={formatDateTime(time)}>
      {formatAgo(time)}
    </time>
  );
}
