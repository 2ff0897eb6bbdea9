import { Link, type LinkProps } from '@tanstack/react-router';
import { useMay } from '@/lib/me';

/** One's exports, and beside them the failed jobs of everybody, for those who may manage them. */
export function ExportTabs() {
  const mayManage = useMay('job:manage');
  if (!mayManage) return null;
  return (
    <nav aria-label="Exports" className="border-line -mt-2 flex gap-1 border-b">
      <Tab to="/exports" activeOptions={{ exact: true }}>
        Exports
      </Tab>
      <Tab to="/exports/failed">Failed jobs</Tab>
    </nav>
  );
}

function Tab(props: LinkProps) {
  return (
    <Link
      {...props}
      className="text-muted hover:text-ink aria-[current=page]:border-accent aria-[current=page]:text-ink -mb-px border-b-2 border-transparent px-3 py-2 text-sm font-medium"
    />
  );
}
