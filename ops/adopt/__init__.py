"""Adoption: imports Terraform-managed resources into a stack's state, with read-only requests."""
