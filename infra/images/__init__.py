"""What images are built from, read from git: their versions, and the files that Docker builds them in.

Imports no Pulumi, so that the command can name versions as the program does.
"""
