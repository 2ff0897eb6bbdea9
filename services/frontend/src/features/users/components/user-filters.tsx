import { useEffect, useRef } from 'react';
import { SelectField, TextField } from '@/components/field';
import type { UserSearch } from '../search';

const sorts = {
  name: 'Name, A to Z',
  '-name': 'Name, Z to A',
  email: 'Email, A to Z',
  '-email': 'Email, Z to A',
  '-created_at': 'Newest first',
  created_at: 'Oldest first',
};
const statuses = { '': 'All', active: 'Active', deactivated: 'Deactivated' };

/** Wait so long after the last key before searching: ms. */
const TYPING_PAUSE = 250;

type Props = { search: UserSearch; onSearch: (change: UserSearch) => void };

export function UserFilters({ search, onSearch }: Props) {
  return (
    <search className="grid grid-cols-2 gap-4 sm:grid-cols-[1fr_12rem_12rem]">
      <div className="col-span-2 sm:col-span-1">
        <SearchBox value={search.q ?? ''} onSearch={(text) => onSearch({ q: text || undefined })} />
      </div>
      <SelectField
        label="Status"
        options={statuses}
        value={search.status ?? ''}
        onChange={({ target }) =>
          onSearch({ status: (target.value || undefined) as UserSearch['status'] })
        }
      />
      <SelectField
        label="Sort"
        options={sorts}
        value={search.sort ?? 'name'}
        onChange={({ target }) => onSearch({ sort: target.value as UserSearch['sort'] })}
      />
    </search>
  );
}

function SearchBox({ value, onSearch }: { value: string; onSearch: (text: string) => void }) {
  const input = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const sent = useRef(value);
  useEffect(() => {
    if (value === sent.current || !input.current) return;
    // Changed from outside, such as by the back button: that wins over what was being typed.
    clearTimeout(timer.current);
    sent.current = value;
    input.current.value = value;
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const searchSoon = (text: string) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      sent.current = text;
      onSearch(text);
    }, TYPING_PAUSE);
  };
  return (
    <TextField
      ref={input}
      label="Search"
      type="search"
      placeholder="Name or email"
      defaultValue={value}
      onChange={({ target }) => searchSoon(target.value)}
    />
  );
}
