"""Builds, copies and history of container images."""
