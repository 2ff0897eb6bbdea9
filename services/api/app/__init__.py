"""The HTTP API of Groundplan."""
