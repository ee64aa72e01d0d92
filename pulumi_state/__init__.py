"""Pulumi's own formats: state, configuration, history and locks, and the backends that store them.

This package is independent of the engines, Scaleway and the command line. Within this project, it imports only
`gitrepo`.
"""
