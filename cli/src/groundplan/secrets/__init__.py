"""Secrets of production: a file each, made once, checked, and rotated while the system runs."""
