"""Tests of the tool, driven through its command line."""
