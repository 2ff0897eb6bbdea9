"""Tests of the observer, over HTTP on a real server."""
