"""Git, by running the `git` program: the only place of the project that reads or writes a repository.

program     starts `git` with an environment and settings that leave its meaning to the repository alone
objects     commits, trees and files by name, from one `git cat-file` that stays open
repository  the working copy, the history and the tags of a repository

Imports nothing else of the project, and nothing but the standard library.
"""

from gitrepo.objects import Entry
from gitrepo.program import GitError
from gitrepo.repository import Commit, Repository, ShallowError, Tag, WorkingState

__all__ = ["Commit", "Entry", "GitError", "Repository", "ShallowError", "Tag", "WorkingState"]
