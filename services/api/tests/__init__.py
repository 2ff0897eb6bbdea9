"""Tests of the API, against real servers."""
