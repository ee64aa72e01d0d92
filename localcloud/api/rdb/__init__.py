"""Managed databases (RDB): instances with their databases, users, privileges and ACL rules."""
