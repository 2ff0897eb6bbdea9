"""Tests of the backup service, against real servers."""
