"""Access to Git repositories through the `git` program.

program     runs `git`, isolated from the user's settings and any outer `git`
objects     reads commits, trees and files through one long-running `git cat-file`
repository  represents a repository's working copy, history and tags

The package imports only the standard library.
"""

from gitrepo.objects import Entry
from gitrepo.program import GitError
from gitrepo.repository import Commit, Repository, ShallowError, Tag, WorkingState

__all__ = ["Commit", "Entry", "GitError", "Repository", "ShallowError", "Tag", "WorkingState"]
