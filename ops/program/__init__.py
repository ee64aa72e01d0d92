"""Evaluates the program without a cloud: each stack's resources, with placeholders for values from the cloud."""
