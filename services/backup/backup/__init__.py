"""Backups of everything that can't be made again."""
