"""Evaluates the program offline: returns each stack's resources with placeholders for values from Scaleway."""
