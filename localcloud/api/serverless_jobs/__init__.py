"""Serverless Jobs: definitions, their secret references, runs."""
