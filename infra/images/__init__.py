"""Image versions and build contexts, derived from the files in Git.

Does not import Pulumi, so `snu` can compute the same versions as the program.
"""
