import type { AuditEventOut } from '@/client';
import { Ago } from '@/components/ago';
import { formatDateTime } from '@/lib/format';
import { sentenceOf } from '../words';

export function AuditTable({ entries }: { entries: AuditEventOut[] }) {
  return (
    <div className="border-line bg-surface overflow-hidden rounded-xl border">
      <table className="w-full text-left text-sm [&_td]:px-4 [&_td]:py-3 [&_td]:align-top [&_th]:px-4 [&_th]:py-3">
        <thead className="text-muted border-line border-b">
          <tr className="[&>th]:font-medium">
            <th>What happened</th>
            <th className="hidden sm:table-cell">From</th>
            <th className="hidden sm:table-cell">When</th>
          </tr>
        </thead>
        <tbody className="divide-line divide-y">
          {entries.map((entry) => (
            <tr key={entry.id}>
              <td className="w-full break-words [overflow-wrap:anywhere]">
                {sentenceOf(entry)}
                <div className="text-muted mt-1 sm:hidden">
                  <When entry={entry} />
                  {entry.address && <p>from {entry.address}</p>}
                </div>
              </td>
              <td className="text-muted hidden whitespace-nowrap sm:table-cell">{entry.address}</td>
              <td className="hidden whitespace-nowrap sm:table-cell">
                <When entry={entry} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function When({ entry }: { entry: AuditEventOut }) {
  return (
    <p>
      <Ago time={entry.at} />
      <span className="text-muted block">{formatDateTime(entry.at)}</span>
    </p>
  );
}
