import type { ReactNode } from 'react';
import { Button } from './button';
import { Dialog } from './dialog';
import { ErrorAlert } from './notice';

type Props = {
  title: string;
  /** What will happen. */
  children: ReactNode;
  /** Words of the button that does it. */
  confirm: string;
  action: { mutate: () => void; isPending: boolean; error: unknown };
  onClose: () => void;
};

/** Asks before something that can't be taken back. Whoever opens it closes it when the action succeeds. */
export function ConfirmDialog({ title, children, confirm, action, onClose }: Props) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div className="grid gap-4">
        <ErrorAlert error={action.error} />
        <p className="text-sm">{children}</p>
        <div className="mt-2 flex flex-wrap justify-end gap-3">
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" busy={action.isPending} onClick={() => action.mutate()}>
            {confirm}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
