"""Managed databases (RDB): instances with their databases, users, privileges, rules of access."""
