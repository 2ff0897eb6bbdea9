import { useState } from 'react';
import { Button } from '@/components/button';
import { ConfirmDialog } from '@/components/confirm-dialog';
import { CheckField } from '@/components/field';
import { ErrorAlert } from '@/components/notice';
import { useDiscardJobs, useReplayJobs } from '../api/dead-jobs';

type Props = {
  all: string[];
  selected: string[];
  onSelect: (ids: string[], on: boolean) => void;
};

/** Selects all, and replays or discards what is selected. */
export function FailedJobsActions({ all, selected, onSelect }: Props) {
  const [discarding, setDiscarding] = useState(false);
  const replay = useReplayJobs(selected);
  const nothing = selected.length === 0;
  return (
    <>
      <ErrorAlert error={replay.error} />
      {all.length > 0 && (
        <div className="flex flex-wrap items-center justify-between gap-4 px-5">
          <CheckField
            label={nothing ? 'Select all' : `${selected.length} selected`}
            checked={selected.length === all.length}
            onChange={({ target }) => onSelect(all, target.checked)}
          />
          <div className="flex gap-3">
            <Button disabled={nothing} busy={replay.isPending} onClick={() => replay.mutate()}>
              Replay
            </Button>
            <Button look="danger" disabled={nothing} onClick={() => setDiscarding(true)}>
              Discard
            </Button>
          </div>
        </div>
      )}
      {discarding && <Discard ids={selected} onClose={() => setDiscarding(false)} />}
    </>
  );
}

function Discard({ ids, onClose }: { ids: string[]; onClose: () => void }) {
  const discard = useDiscardJobs(ids);
  const count = ids.length === 1 ? '1 job' : `${ids.length} jobs`;
  const action = { ...discard, mutate: () => discard.mutate(undefined, { onSuccess: onClose }) };
  return (
    <ConfirmDialog title={`Discard ${count}?`} confirm="Discard" action={action} onClose={onClose}>
      They are given up for good, and no longer listed here.
    </ConfirmDialog>
  );
}
