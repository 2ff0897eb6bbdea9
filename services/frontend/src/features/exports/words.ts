import type { ExportParams, JobOut } from '@/client';
import type { Tone } from '@/components/badge';

type Params = Required<ExportParams>;

export const types: Record<Params['type'], string> = { users: 'Users' };
export const formats: Record<Params['format'], string> = { csv: 'CSV', jsonl: 'JSON Lines' };
export const compressions: Record<Params['compression'], string> = {
  gzip: 'gzip',
  none: 'None',
};

export const priorities: Record<JobOut['priority'], string> = {
  low: 'Low',
  normal: 'Normal',
  high: 'High',
};

export const statuses: Record<JobOut['status'], { words: string; tone: Tone }> = {
  queued: { words: 'Waiting', tone: 'neutral' },
  running: { words: 'Running', tone: 'accent' },
  succeeded: { words: 'Done', tone: 'success' },
  failed: { words: 'Failed', tone: 'danger' },
  cancelled: { words: 'Cancelled', tone: 'neutral' },
};

/** "Users as CSV, gzip" */
export function titleOf({ type, format = 'csv', compression = 'gzip' }: ExportParams): string {
  const packed = compression === 'none' ? '' : `, ${compressions[compression]}`;
  return `${types[type]} as ${formats[format]}${packed}`;
}
