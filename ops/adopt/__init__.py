"""Adoption: imports Terraform-managed resources into a stack's state, using only read-only requests."""
