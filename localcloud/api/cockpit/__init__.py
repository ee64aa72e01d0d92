"""Cockpit (observability): data sources, tokens, the alert manager and its contact points."""
