"""Runs the services as containers, through the Docker engine and its Compose plugin."""
