"""Receives traces and keeps who calls whom."""
