/** The product's mark and name. */
export function Logo() {
  return (
    <span className="inline-flex items-center gap-2 font-semibold tracking-tight">
      <svg
        aria-hidden="true"
        viewBox="0 0 24 24"
        className="text-accent size-5 fill-none stroke-current stroke-2"
      >
        <path d="M3 3h18v18H3zM3 10h8v11M11 14h10M15 3v6" />
      </svg>
      Groundplan
    </span>
  );
}
