"""Checks the requirements for a release."""
