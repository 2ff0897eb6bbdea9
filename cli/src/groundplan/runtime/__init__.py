"""Runs the services of a workspace: natively as processes, or with Docker as containers."""
