"""Serverless SQL Databases."""
