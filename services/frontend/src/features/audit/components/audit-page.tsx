import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Event } from '@/client';
import { SelectField } from '@/components/field';
import { Page } from '@/components/page';
import { Pages } from '@/components/pages';
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
  return (
    <Pages query={audit} empty="Nothing yet.">
      {(entries) => <AuditTable entries={entries} />}
    </Pages>
  );
}
