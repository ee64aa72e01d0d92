"""Pulumi's own formats: state, configuration, history and locks, and the backends that store them.

Independent of the engines, of Scaleway and of the command line. Of this project it imports only `gitrepo`.
"""
