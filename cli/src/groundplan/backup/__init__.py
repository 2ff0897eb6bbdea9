"""Backups: asks the service that makes them, and tells how old they are."""
