import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Event } from '@/client';
import { SelectField } from '@/components/field';
import { LoadMore } from '@/components/load-more';
import { ErrorAlert } from '@/components/notice';
import { Empty, Loading, Page } from '@/components/page';
import { auditQuery } from '../api/list-audit';
import { titles } from '../words';
import { AuditTable } from './audit-table';

const options = { '': 'Everything', ...titles };

export function AuditPage() {
  const [event, setEvent] = useState<Event | ''>('');
  return (
    <Page title="Audit log">
      <search className="max-w-xs">
        <SelectField
          label="Show"
          options={options}
          value={event}
          onChange={({ target }) => setEvent(target.value as Event | '')}
        />
      </search>
      <AuditList event={event || undefined} />
    </Page>
  );
}

function AuditList({ event }: { event: Event | undefined }) {
  const audit = useInfiniteQuery(auditQuery(event));
  const retry = () => void audit.refetch();
  if (audit.isPending) return <Loading />;
  if (!audit.data) return <ErrorAlert error={audit.error} onRetry={retry} />;
  const entries = audit.data.pages.flatMap((page) => page.items);
  return (
    <>
      <ErrorAlert error={audit.error} onRetry={retry} />
      {entries.length === 0 ? <Empty>Nothing yet.</Empty> : <AuditTable entries={entries} />}
      <LoadMore query={audit} />
    </>
  );
}
