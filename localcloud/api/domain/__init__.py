"""Domains and DNS: zones and records."""
