"""Access to Git repositories through the `git` program.

program     runs `git`, isolated from the user's settings and from an outer `git`
objects     reads commits, trees and files from one long-running `git cat-file`
repository  the working copy, history and tags of a repository

Imports only the standard library.
"""

from gitrepo.objects import Entry
from gitrepo.program import GitError
from gitrepo.repository import Commit, Repository, ShallowError, Tag, WorkingState

__all__ = ["Commit", "Entry", "GitError", "Repository", "ShallowError", "Tag", "WorkingState"]
