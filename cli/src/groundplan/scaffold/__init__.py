"""Adds and removes services."""
