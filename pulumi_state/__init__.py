"""Pulumi's own formats and places: state, configuration, history, locks, and the stores that hold them.

Knows nothing of the engines, of Scaleway or of the command: imports nothing else of this project.
"""
