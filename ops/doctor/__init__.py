"""Checks the requirements of a release."""
