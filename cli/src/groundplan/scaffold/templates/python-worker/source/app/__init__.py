"""A worker that does the jobs which wait in PostgreSQL."""
