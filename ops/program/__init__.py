"""Evaluates the program without a cloud: returns each stack's resources with placeholders for cloud values."""
