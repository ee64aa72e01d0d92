"""What is known of Scaleway's limits, quotas and behaviour: each fact stated once, with its source and date.

Settings, policies, the local Scaleway and `docs/limits.md` read it. Imports nothing of the project.
"""
