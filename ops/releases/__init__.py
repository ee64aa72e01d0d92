"""Releases, promotions, rollbacks and hotfixes.

release         a release and its format as an annotated Git tag
tags            a stack's releases, read from and written to Git tags
record          records a release after a successful apply
changelog       the commits between two sets of images
committed_file  a stack's file in Git, and commits that contain only that file
promotion       copies a stack's images to another stack's registry and file
rollback        restores an earlier release's images and variables
hotfix          a hotfix branch
order           prevents an older commit from replacing a newer one
notes           a release's notes on GitHub
publish         pushes the commits and tags of releases
pull_request    merges a release back into the main branch
remote          the Git remote that releases are pushed to
"""
