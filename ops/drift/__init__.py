"""Drift: live resources that differ from the state, and orphans that are in no state. Read-only."""
