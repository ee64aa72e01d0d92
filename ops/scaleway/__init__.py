"""Scaleway's API: one client, and one catalogue of the resource kinds that this project deploys."""
