"""A repository: its working copy, history and tags."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gitrepo.objects import Objects
from gitrepo.program import OLDEST, Git, GitError, git_error

_UNBORN = "(initial)"
_COMMIT_FIELDS = ("%H", "%T", "%P", "%an", "%ae", "%cn", "%ce", "%ct", "%s")
_NO_FILTER = ("unspecified", "unset")
_PATH_FIELD = {"1": 7, "u": 9, "?": 0}
"""Kinds of lines of `git status --porcelain=v2`, and how many fields there are before the path."""
_TAG_FIELDS = ("%(refname:strip=2)", "%(objecttype)", "%(*objecttype)", "%(*objectname)", "%(contents)")


class ShallowError(GitError):
    """What is asked for needs more history than a shallow clone has."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is a shallow clone, which lacks a part of the history: `git fetch --unshallow --tags`"
        )


class TagExistsError(GitError):
    """The tag's name is taken."""


@dataclass(frozen=True)
class Commit:
    """A commit of the history."""

    id: str
    tree: str
    parents: tuple[str, ...]
    """None of them at the end of a shallow clone."""
    author: str
    author_email: str
    committer: str
    committer_email: str
    time: int
    """When it was committed, in seconds since 1970."""
    subject: str


@dataclass(frozen=True)
class WorkingState:
    """The files of a working copy, committed or not. Ignored files do not count."""

    commit: str | None
    """The one that is checked out; None before the first."""
    tree: str
    """The tree that a commit of everything would have."""
    changed: tuple[str, ...]
    """Files that differ from the commit, in the working copy or staged."""
    opaque: tuple[str, ...]
    """Repositories within this one, and submodules with changes: `tree` does not have their files."""


@dataclass(frozen=True)
class Tag:
    """A tag."""

    name: str
    commit: str | None
    """None for a tag without a message, or of something that is no commit."""
    message: str


@dataclass(frozen=True)
class _Status:
    commit: str | None
    changed: tuple[str, ...]
    nested: tuple[str, ...]
    """Repositories that are no submodules."""
    opaque: tuple[str, ...]


class Repository:
    """A repository with a working copy. All methods raise GitError where `git` fails."""

    def __init__(self, root: Path, git_folder: Path, *, is_shallow: bool) -> None:
        """See `find`."""
        self.root = root
        """The folder of the working copy."""
        self.is_shallow = is_shallow
        self._git = Git(root)
        self.objects = Objects(self._git)
        self._git_folder = git_folder

    @classmethod
    def find(cls, folder: Path) -> Repository | None:
        """The repository that a folder belongs to, None where there is none.

        Raises GitError where `git` is missing or too old, or refuses the repository, as one of another user.
        """
        arguments = ("rev-parse", "--is-shallow-repository", "--absolute-git-dir", "--show-toplevel")
        ended = Git(folder).try_run(*arguments)
        if ended.returncode != 0:
            if b"not a git repository" in ended.stderr:
                return None
            raise git_error("rev-parse", ended.returncode, ended.stderr)
        shallow, git_folder, root = os.fsdecode(ended.stdout).split("\n")[:3]
        if shallow.startswith("-"):  # an option that it does not know
            raise GitError(f"{Git(folder).line('version')} is too old: install {OLDEST} or newer")
        return cls(Path(root), Path(git_folder), is_shallow=shallow == "true")

    # --- names ------------------------------------------------------------------------------------------

    def commit(self, name: str) -> str | None:
        """The commit that a name stands for here, if any: a branch, a tag, `HEAD~2`."""
        found = self.objects.find(f"{name}^{{commit}}")
        return found.id if found else None

    def tree(self, name: str) -> str:
        """The tree of a commit. Raises GitError where there is no such commit."""
        found = self.objects.find(f"{name}^{{tree}}")
        if found is None:
            raise GitError(f"{self.root} has no commit {name}")
        return found.id

    def file(self, commit: str, path: str) -> bytes | None:
        """A file's content in a commit; None where either is not there."""
        found = self.objects.find(f"{commit}:{path}")
        return found.content if found and found.kind == "blob" else None

    def branch(self) -> str | None:
        """The branch that is checked out, without `refs/heads/`; None where a commit is."""
        ended = self._git.try_run("symbolic-ref", "--quiet", "HEAD")
        return os.fsdecode(ended.stdout).strip().removeprefix("refs/heads/") or None

    def identity(self) -> str | None:
        """Who commits here, as `name <email>`; None where Git's settings do not say."""
        ended = self._git.try_run("var", "GIT_COMMITTER_IDENT")
        return ended.stdout.decode(errors="replace").rpartition(">")[0] + ">" if ended.returncode == 0 else None

    # --- the working copy -------------------------------------------------------------------------------

    def working_state(self) -> WorkingState:
        """What lies in the working copy, whatever the index hides; nothing is staged.

        Files that a sparse checkout leaves out are as the index has them.
        """
        with self._index() as index:
            status = self._status(index)
            if not status.changed and status.commit is not None:
                return WorkingState(status.commit, self.tree(status.commit), (), ())
            with self._copied(index) as copy:
                paths = b"".join(os.fsencode(path) + b"\0" for path in status.changed if path not in status.nested)
                self._git.run(
                    "update-index",
                    "--add",
                    "--remove",
                    "--replace",
                    "--ignore-skip-worktree-entries",
                    "-z",
                    "--stdin",
                    stdin=paths,
                    GIT_INDEX_FILE=copy,
                )
                # A partial clone would have to fetch every file that it lacks otherwise.
                tree = self._git.line("write-tree", "--missing-ok", GIT_INDEX_FILE=copy)
        return WorkingState(status.commit, tree, status.changed, status.opaque)

    def is_committed(self, path: str) -> bool:
        """Whether a file is there, and as the commit that is checked out has it."""
        with self._index() as index:
            return not self._status(index, path).changed and self.file("HEAD", path) is not None

    def check_out(self, tree: str, folder: Path) -> None:
        """Write the files of a tree into an empty folder, as a checkout would; this working copy stays as it is."""
        with tempfile.TemporaryDirectory(prefix="snu-index-") as temporary:
            self._git.run(
                "read-tree",
                "--no-sparse-checkout",
                "--reset",
                "-u",
                tree,
                GIT_DIR=str(self._git_folder),
                GIT_WORK_TREE=str(folder.absolute()),
                GIT_INDEX_FILE=f"{temporary}/index",
            )

    def paths_with_filter(self, paths: Iterable[str]) -> list[str]:
        """Those of the files whose content in Git is not what a checkout has: they have a filter, such as LFS."""
        given = b"".join(os.fsencode(path) + b"\0" for path in paths)
        fields = os.fsdecode(self._git.run("check-attr", "-z", "--stdin", "filter", stdin=given)).split("\0")
        return [path for path, value in zip(fields[::3], fields[2::3], strict=False) if value not in _NO_FILTER]

    def commit_file(self, path: str, message: str) -> str:
        """Commit a file as it lies there, and nothing else; gives the commit."""
        arguments = ("--quiet", "--no-verify", "--cleanup=verbatim", "--file=-", "--only", "--", path)
        self._git.run("commit", *arguments, stdin=message.encode())
        return self._git.line("rev-parse", "HEAD")

    @cached_property
    def _is_sparse(self) -> bool:
        return self._git.try_run("config", "--type=bool", "core.sparseCheckout").stdout.strip() == b"true"

    @contextmanager
    def _index(self) -> Iterator[str]:
        """The index's file; a copy, where files are marked so that Git does not look at them."""
        index = str(self._git_folder / "index")
        listed = os.fsdecode(self._git.run("ls-files", "-v", "-z", "--full-name")).split("\0")
        unchanging = [line[2:] for line in listed if line[:1].islower()]
        skipped = [line[2:] for line in listed if line[:1] in ("S", "s")]
        if skipped and self._is_sparse:
            skipped = [path for path in skipped if os.path.lexists(self.root / path)]
        if not unchanging and not skipped:
            yield index
            return
        with self._copied(index) as copy:
            for option, paths in (("--no-assume-unchanged", unchanging), ("--no-skip-worktree", skipped)):
                given = b"".join(os.fsencode(path) + b"\0" for path in paths)
                self._git.run("update-index", option, "-z", "--stdin", stdin=given, GIT_INDEX_FILE=copy)
            yield copy

    @contextmanager
    def _copied(self, index: str) -> Iterator[str]:
        with tempfile.TemporaryDirectory(prefix="snu-index-") as temporary:
            copy = f"{temporary}/index"
            if Path(index).exists():
                shutil.copy2(index, copy)  # its time tells Git which files to look at again
            yield copy

    def _status(self, index: str, *paths: str) -> _Status:
        arguments = ("--porcelain=v2", "-z", "--branch", "--untracked-files=all", "--ignore-submodules=none")
        output = self._git.run("status", *arguments, "--no-renames", "--", *paths, GIT_INDEX_FILE=index)
        commit, changed, nested, opaque = None, [], [], []
        for line in os.fsdecode(output).split("\0"):
            kind, _, rest = line.partition(" ")
            if kind == "#" and rest.startswith("branch.oid "):
                commit = rest.removeprefix("branch.oid ")
            elif kind in _PATH_FIELD:
                *fields, path = rest.split(" ", _PATH_FIELD[kind])
                changed.append(path.removesuffix("/"))
                # A submodule's state is `S`, and letters for its commit, changed files and new files.
                if path.endswith("/"):
                    nested.append(path.removesuffix("/"))
                elif fields and fields[1].startswith("S") and not fields[1].endswith(".."):
                    opaque.append(path)
        return _Status(
            None if commit == _UNBORN else commit, tuple(sorted(changed)), tuple(nested), tuple(sorted(nested + opaque))
        )

    # --- history ----------------------------------------------------------------------------------------

    def history(self, *heads: str, hidden: Collection[str] = ()) -> Iterator[Commit]:
        """The commits that the heads hold and the hidden ones do not, the newest first; read as far as it is asked."""
        form = "%x00".join(_COMMIT_FIELDS)
        with tempfile.TemporaryFile() as messages:
            arguments = (f"--format={form}", *heads, *(f"^{commit}" for commit in hidden), "--")
            with self._git.start(messages, "rev-list", *arguments) as process:
                assert process.stdout is not None
                try:
                    for line in process.stdout:
                        if not line.startswith(b"commit "):
                            yield _commit(line.decode(errors="replace").removesuffix("\n").split("\0"))
                    if process.wait() != 0:
                        messages.seek(0)
                        raise git_error("rev-list", process.returncode, messages.read())
                finally:
                    process.terminate()

    def merge_base(self, one: str, other: str) -> str | None:
        """The newest commit that two have in common, None where there is none. Raises ShallowError."""
        ended = self._git.try_run("merge-base", one, other)
        if ended.returncode > 1:
            raise git_error("merge-base", ended.returncode, ended.stderr)
        base = os.fsdecode(ended.stdout).strip() or None
        # Any other commit may hide a newer one that the clone lacks.
        if self.is_shallow and base not in (self.commit(one), self.commit(other)):
            raise ShallowError(self.root)
        return base

    def includes(self, commit: str, other: str) -> bool:
        """Whether a commit has all that the other one has: descends from it, or has its changes, as after a squash.

        Before Git 2.38 it has to descend from it. Raises ShallowError.
        """
        return self._descends(commit, other) or self.has_changes_of(commit, other)

    def has_changes_of(self, commit: str, other: str) -> bool:
        """Whether a merge of the other commit would change nothing; no before Git 2.38."""
        merged = self._git.try_run("merge-tree", "--write-tree", commit, other)
        return merged.returncode == 0 and os.fsdecode(merged.stdout).strip() == self.tree(commit)

    def _descends(self, commit: str, other: str) -> bool:
        """Whether it is that commit, too. Raises ShallowError."""
        descends = False
        if self.commit(other) is not None:
            ended = self._git.try_run("merge-base", "--is-ancestor", other, commit)
            if ended.returncode > 1:
                raise git_error("merge-base", ended.returncode, ended.stderr)
            descends = ended.returncode == 0
        if not descends and self.is_shallow:
            raise ShallowError(self.root)
        return descends

    # --- tags -------------------------------------------------------------------------------------------

    def tags(self, folder: str) -> list[Tag]:
        """The tags whose names begin with `folder/`."""
        form = "".join(f"{field}%00" for field in _TAG_FIELDS)
        output = self._git.run("for-each-ref", f"--format={form}", f"refs/tags/{folder}/")
        fields = output.decode(errors="surrogateescape").split("\0")
        return [_tag([each.removeprefix("\n") for each in record]) for record in _chunks(fields, len(_TAG_FIELDS))]

    def tag(self, name: str, commit: str, message: str, tagger: tuple[str, str] | None = None) -> None:
        """Make an annotated tag. `tagger`: name and address, where Git's settings name nobody.

        Raises TagExistsError.
        """
        who = dict(zip(("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"), tagger or (), strict=False))
        arguments = ("--annotate", "--cleanup=verbatim", "--file=-", "--", name, commit)
        ended = self._git.try_run("tag", *arguments, stdin=message.encode(), **who)
        if ended.returncode != 0:
            if self.objects.find(f"refs/tags/{name}") is not None:
                raise TagExistsError(f"the tag {name} exists")
            raise git_error("tag", ended.returncode, ended.stderr)


def _commit(fields: Sequence[str]) -> Commit:
    identity, tree, parents, author, author_email, committer, committer_email, time, subject = fields
    return Commit(
        identity, tree, tuple(parents.split()), author, author_email, committer, committer_email, int(time), subject
    )


def _tag(fields: Sequence[str]) -> Tag:
    name, kind, target_kind, target, message = fields
    return Tag(name, target if (kind, target_kind) == ("tag", "commit") else None, message)


def _chunks(fields: Sequence[str], length: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(fields) - length + 1, length):
        yield fields[start : start + length]
