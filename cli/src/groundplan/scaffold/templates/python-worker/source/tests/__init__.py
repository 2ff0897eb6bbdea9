"""Tests of the worker on real servers, which the environment names."""
