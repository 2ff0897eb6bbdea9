"""Groundplan: runs, checks and describes a product made of services from its Compose files."""

__version__ = "0.1.0"
