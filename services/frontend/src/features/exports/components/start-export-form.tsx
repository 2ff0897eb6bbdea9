import { useState } from 'react';
import { useForm } from 'react-hook-form';
import type { ExportRequest } from '@/client';
import { ErrorAlert } from '@/components/notice';
import { Button } from '@/components/button';
import { SelectField } from '@/components/field';
import { useMay } from '@/lib/me';
import { randomKey } from '@/lib/random-key';
import { useStartExport } from '../api/start-export';
import { compressions, formats, priorities, types } from '../words';

/** What is left to those who may not put theirs before everybody's. */
const ordinary = { low: priorities.low, normal: priorities.normal };

export function StartExportForm() {
  const start = useStartExport();
  const mayManage = useMay('job:manage');
  // Renewed when the export has started or becomes another: until then, a second try is the same export.
  const [key, setKey] = useState(randomKey);
  const renewKey = () => setKey(randomKey());
  const form = useForm<Required<ExportRequest>>({
    defaultValues: { type: 'users', format: 'csv', compression: 'gzip', priority: 'normal' },
  });
  const submit = form.handleSubmit((params) =>
    start.mutate({ params, key }, { onSuccess: renewKey }),
  );
  return (
    <form onSubmit={submit} onChange={renewKey} className="grid gap-4">
      <ErrorAlert error={start.error} />
      <div className="grid grid-cols-2 items-end gap-4 sm:grid-cols-[1fr_1fr_1fr_1fr_auto]">
        <SelectField label="What" options={types} {...form.register('type')} />
        <SelectField label="Format" options={formats} {...form.register('format')} />
        <SelectField label="Compression" options={compressions} {...form.register('compression')} />
        <SelectField
          label="Priority"
          options={mayManage ? priorities : ordinary}
          {...form.register('priority')}
        />
        <div className="col-span-2 grid sm:col-span-1">
          <Button type="submit" look="primary" busy={start.isPending}>
            Start export
          </Button>
        </div>
      </div>
    </form>
  );
}
