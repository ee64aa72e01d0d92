"""Drift detection: live resources that differ from the state, and orphans that are not in any state. Read-only."""
