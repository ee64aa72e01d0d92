"""The process that serves a stack's program to either engine."""
