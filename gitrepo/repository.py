"""A Git repository's working copy, history and tags."""

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
"""Number of fields before the path, by line type of `git status --porcelain=v2`."""
_TAG_FIELDS = ("%(refname:strip=2)", "%(objecttype)", "%(*objecttype)", "%(*objectname)", "%(contents)")


class ShallowError(GitError):
    """A shallow clone does not contain the required history."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is a shallow clone that lacks the required history; run `git fetch --unshallow --tags`"
        )


class TagExistsError(GitError):
    """A tag with this name already exists."""


@dataclass(frozen=True)
class Commit:
    """A commit in the history."""

    id: str
    tree: str
    parents: tuple[str, ...]
    """IDs of the parents; empty at the boundary of a shallow clone."""
    author: str
    author_email: str
    committer: str
    committer_email: str
    time: int
    """Commit time in seconds since 1970."""
    subject: str


@dataclass(frozen=True)
class WorkingState:
    """The state of a working copy, including uncommitted files but not ignored ones."""

    commit: str | None
    """The checked-out commit; None before the first commit."""
    tree: str
    """The tree that would result from committing everything."""
    changed: tuple[str, ...]
    """Files that differ from the commit, staged or not."""
    opaque: tuple[str, ...]
    """Nested repositories and modified submodules; `tree` does not contain their files."""


@dataclass(frozen=True)
class Tag:
    """A tag."""

    name: str
    commit: str | None
    """The tagged commit; None if the tag is lightweight or does not point to a commit."""
    message: str


@dataclass(frozen=True)
class _Status:
    commit: str | None
    changed: tuple[str, ...]
    nested: tuple[str, ...]
    """Nested repositories that are not submodules."""
    opaque: tuple[str, ...]


class Repository:
    """A repository with a working copy. All methods raise GitError if `git` fails."""

    def __init__(self, root: Path, git_folder: Path, *, is_shallow: bool) -> None:
        """Use `find` instead."""
        self.root = root
        """The root folder of the working copy."""
        self.is_shallow = is_shallow
        self._git = Git(root)
        self.objects = Objects(self._git)
        self._git_folder = git_folder

    @classmethod
    def find(cls, folder: Path) -> Repository | None:
        """Return the repository that contains a folder, or None if the folder is not in a repository.

        Raises GitError if `git` is missing or too old, or if it rejects the repository, for example because another
        user owns it.
        """
        arguments = ("rev-parse", "--is-shallow-repository", "--absolute-git-dir", "--show-toplevel")
        result = Git(folder).try_run(*arguments)
        if result.returncode != 0:
            if b"not a git repository" in result.stderr:
                return None
            raise git_error("rev-parse", result.returncode, result.stderr)
        shallow, git_folder, root = os.fsdecode(result.stdout).split("\n")[:3]
        if shallow.startswith("-"):  # `git` prints unknown options unchanged
            raise GitError(f"{Git(folder).line('version')} is too old; install Git {OLDEST} or newer")
        return cls(Path(root), Path(git_folder), is_shallow=shallow == "true")

    # --- names ------------------------------------------------------------------------------------------

    def commit(self, name: str) -> str | None:
        """Return the ID of the commit that a branch, a tag or `HEAD~2` refers to, or None."""
        found = self.objects.find(f"{name}^{{commit}}")
        return found.id if found else None

    def tree(self, name: str) -> str:
        """Return the ID of a commit's tree. Raises GitError if the commit does not exist."""
        found = self.objects.find(f"{name}^{{tree}}")
        if found is None:
            raise GitError(f"{self.root} has no commit {name}")
        return found.id

    def file(self, commit: str, path: str) -> bytes | None:
        """Return a file's content in a commit, or None if either does not exist."""
        found = self.objects.find(f"{commit}:{path}")
        return found.content if found and found.kind == "blob" else None

    def branch(self) -> str | None:
        """Return the checked-out branch without `refs/heads/`, or None if HEAD is detached."""
        result = self._git.try_run("symbolic-ref", "--quiet", "HEAD")
        return os.fsdecode(result.stdout).strip().removeprefix("refs/heads/") or None

    def identity(self) -> str | None:
        """Return the committer configured for this repository as `name <email>`, or None."""
        result = self._git.try_run("var", "GIT_COMMITTER_IDENT")
        return result.stdout.decode(errors="replace").rpartition(">")[0] + ">" if result.returncode == 0 else None

    # --- the working copy -------------------------------------------------------------------------------

    def working_state(self) -> WorkingState:
        """Return the state of the working copy, including files hidden by the index. Nothing is staged.

        Files omitted by a sparse checkout are taken from the index.
        """
        with self._index() as index:
            status = self._status(index)
            if not status.changed and status.commit is not None:
                return WorkingState(status.commit, self.tree(status.commit), (), ())
            with self._copied(index) as copy:
                stdin = b"".join(os.fsencode(path) + b"\0" for path in status.changed if path not in status.nested)
                self._git.run(
                    "update-index",
                    "--add",
                    "--remove",
                    "--replace",
                    "--ignore-skip-worktree-entries",
                    "-z",
                    "--stdin",
                    stdin=stdin,
                    GIT_INDEX_FILE=copy,
                )
                # Without --missing-ok, a partial clone would fetch every missing file.
                tree = self._git.line("write-tree", "--missing-ok", GIT_INDEX_FILE=copy)
        return WorkingState(status.commit, tree, status.changed, status.opaque)

    def is_committed(self, path: str) -> bool:
        """Return whether the checked-out commit contains the file and the file is unchanged."""
        with self._index() as index:
            return not self._status(index, path).changed and self.file("HEAD", path) is not None

    def check_out(self, tree: str, folder: Path) -> None:
        """Check out the files of a tree into an empty folder without touching the working copy."""
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
        """Return the files with a Git filter such as LFS, which makes their content in Git differ from a checkout's."""
        stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
        fields = os.fsdecode(self._git.run("check-attr", "-z", "--stdin", "filter", stdin=stdin)).split("\0")
        return [path for path, value in zip(fields[::3], fields[2::3], strict=False) if value not in _NO_FILTER]

    def commit_file(self, path: str, message: str) -> str:
        """Commit only one file of the working copy and return the commit ID."""
        arguments = ("--quiet", "--no-verify", "--cleanup=verbatim", "--file=-", "--only", "--", path)
        self._git.run("commit", *arguments, stdin=message.encode())
        return self._git.line("rev-parse", "HEAD")

    @cached_property
    def _is_sparse(self) -> bool:
        return self._git.try_run("config", "--type=bool", "core.sparseCheckout").stdout.strip() == b"true"

    @contextmanager
    def _index(self) -> Iterator[str]:
        """Yield the index file, or a copy without `assume-unchanged` and `skip-worktree` flags if any file has them."""
        index = str(self._git_folder / "index")
        listed = os.fsdecode(self._git.run("ls-files", "-v", "-z", "--full-name")).split("\0")
        assumed_unchanged = [line[2:] for line in listed if line[:1].islower()]
        skipped = [line[2:] for line in listed if line[:1] in ("S", "s")]
        if skipped and self._is_sparse:
            skipped = [path for path in skipped if os.path.lexists(self.root / path)]
        if not assumed_unchanged and not skipped:
            yield index
            return
        with self._copied(index) as copy:
            for option, paths in (("--no-assume-unchanged", assumed_unchanged), ("--no-skip-worktree", skipped)):
                stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
                self._git.run("update-index", option, "-z", "--stdin", stdin=stdin, GIT_INDEX_FILE=copy)
            yield copy

    @contextmanager
    def _copied(self, index: str) -> Iterator[str]:
        with tempfile.TemporaryDirectory(prefix="snu-index-") as temporary:
            copy = f"{temporary}/index"
            if Path(index).exists():
                shutil.copy2(index, copy)  # its time tells Git which files to check again
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
                # A submodule's field is `S` followed by flags for its commit, changed files and untracked files.
                if path.endswith("/"):
                    nested.append(path.removesuffix("/"))
                elif fields and fields[1].startswith("S") and not fields[1].endswith(".."):
                    opaque.append(path)
        return _Status(
            None if commit == _UNBORN else commit, tuple(sorted(changed)), tuple(nested), tuple(sorted(nested + opaque))
        )

    # --- history ----------------------------------------------------------------------------------------

    def history(self, *heads: str, hidden: Collection[str] = ()) -> Iterator[Commit]:
        """Lazily yield commits reachable from the heads but not from hidden commits, in reverse chronological order."""
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
        """Return the merge base of two commits, or None if they have no common ancestor. Raises ShallowError."""
        result = self._git.try_run("merge-base", one, other)
        if result.returncode > 1:
            raise git_error("merge-base", result.returncode, result.stderr)
        base = os.fsdecode(result.stdout).strip() or None
        # A shallow clone may not contain the actual merge base.
        if self.is_shallow and base not in (self.commit(one), self.commit(other)):
            raise ShallowError(self.root)
        return base

    def includes(self, commit: str, other: str) -> bool:
        """Return whether a commit descends from the other one or contains its changes, for example after a squash.

        Before Git 2.38, only descendants are detected. Raises ShallowError.
        """
        return self._descends(commit, other) or self.has_changes_of(commit, other)

    def has_changes_of(self, commit: str, other: str) -> bool:
        """Return whether merging the other commit would change nothing; False before Git 2.38."""
        merged = self._git.try_run("merge-tree", "--write-tree", commit, other)
        return merged.returncode == 0 and os.fsdecode(merged.stdout).strip() == self.tree(commit)

    def _descends(self, commit: str, other: str) -> bool:
        """Return whether a commit is, or descends from, the other one. Raises ShallowError."""
        descends = False
        if self.commit(other) is not None:
            result = self._git.try_run("merge-base", "--is-ancestor", other, commit)
            if result.returncode > 1:
                raise git_error("merge-base", result.returncode, result.stderr)
            descends = result.returncode == 0
        if not descends and self.is_shallow:
            raise ShallowError(self.root)
        return descends

    # --- tags -------------------------------------------------------------------------------------------

    def tags(self, folder: str) -> list[Tag]:
        """Return the tags whose names start with `folder/`."""
        form = "".join(f"{field}%00" for field in _TAG_FIELDS)
        output = self._git.run("for-each-ref", f"--format={form}", f"refs/tags/{folder}/")
        fields = output.decode(errors="surrogateescape").split("\0")
        return [_tag([field.removeprefix("\n") for field in record]) for record in _chunks(fields, len(_TAG_FIELDS))]

    def tag(self, name: str, commit: str, message: str, tagger: tuple[str, str] | None = None) -> None:
        """Create an annotated tag. `tagger` is a name and email address to use if none are configured in Git.

        Raises TagExistsError.
        """
        variables = dict(zip(("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"), tagger or (), strict=False))
        arguments = ("--annotate", "--cleanup=verbatim", "--file=-", "--", name, commit)
        result = self._git.try_run("tag", *arguments, stdin=message.encode(), **variables)
        if result.returncode != 0:
            if self.objects.find(f"refs/tags/{name}") is not None:
                raise TagExistsError(f"the tag {name} already exists")
            raise git_error("tag", result.returncode, result.stderr)


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
