"""Serverless Containers (v1): namespaces, containers, domains."""
