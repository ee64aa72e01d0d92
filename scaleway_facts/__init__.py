"""Scaleway's limits, quotas and behaviour: each fact is defined once, with its source and date.

Used by settings, policies, the local Scaleway and `docs/reference/limits.md`. Imports no other package of this project.
"""
