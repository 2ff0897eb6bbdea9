"""Contracts between services, and whether a new version serves those who know the old one."""
