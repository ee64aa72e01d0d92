"""Versions and build contexts of images, derived from the files in git.

Does not import Pulumi, so that `snu` computes the same versions as the program.
"""
