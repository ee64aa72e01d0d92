"""Builds that content versions avoid in a real history, and what ``snu images`` takes as a history grows."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pygit2
import yaml

from benchmarks.measure import Ratio, Samples, Session, Skipped, print_table
from gitrepo import Repository
from infra.images.errors import ImageSourceError
from infra.images.versions import Versions
from infra.settings.images import ImageSources
from ops.exit_codes import ExitCode
from tests.lab.configuration import keep_apps
from tests.lab.project import Project, copy_project
from tests.support.environment import ROOT
from tests.support.stack_yaml import stack_yaml

_COMMITS = 500
_LENGTHS = (100, 10_000)
_APPS = ("api", "admin", "app")
_PACKAGES = 300
_STACKS = ("ci", "stage", "production")


def run(session: Session) -> None:
    """Needs git. Of the sources of the session's repository, the first that fits a commit describes its images."""
    if shutil.which("git") is None:
        raise Skipped("not on PATH: git")
    folder = session.repository or ROOT
    if repository := Repository.find(folder):
        sources = session.sources or [folder / "images.yaml"]
        _avoided(repository, sources, session.size(_COMMITS, 5))
    else:
        session.leave_out("builds that are avoided", f"{folder} is not in a git repository")
    _growing(session.rounds, session.size(_LENGTHS[0], 10), session.size(_LENGTHS[1], 100))


# --- builds that are avoided ----------------------------------------------------------------------------


def _avoided(repository: Repository, files: Sequence[Path], most: int) -> None:
    described = [ImageSources.model_validate(yaml.safe_load(file.read_text(encoding="utf-8"))) for file in files]
    history = pygit2.Repository(str(repository.root))
    walker = history.walk(history.head.peel().id)
    walker.simplify_first_parent()
    commits = list(itertools.islice(walker, most + 1))
    versions = [Versions(repository, sources) for sources in described]
    by_content = by_commit = total = missed = 0
    for name in described[0].images:
        found = [_version(versions, name, commit) for commit in commits]
        newest = _newest(described[0], name, commits)
        buildable = [(place, version) for place, version in zip(newest, found, strict=True) if version]
        total += len(buildable)
        by_content += len({version for _, version in buildable})
        by_commit += len({place for place, _ in buildable})
        pairs = itertools.pairwise(buildable)
        missed += sum(after[0] == before[0] and after[1] != before[1] for after, before in pairs)
    print(f"\nBuilds over the last {len(commits) - 1} commits of the main branch, {len(described[0].images)} images:")
    print(f"  content versions                         {by_content}")
    print(f"  newest commit that touched the paths     {by_commit}")
    print(f"    of which it misses, of lock file, Dockerfile, settings of the workspace: {missed}")
    print(f"  build all                                {total}")


def _version(versions: list[Versions], image: str, commit: pygit2.Commit) -> str | None:
    for each in versions:
        with suppress(ImageSourceError):
            return each.inputs(image, str(commit.tree_id)).version
    return None


def _newest(sources: ImageSources, image: str, commits: list[pygit2.Commit]) -> list[int]:
    """For each commit the newest one that touched the image's folder or the shared packages, as the replaced stack
    counted: as the place that it has among all that did. ``commits``: the newest first."""
    touched = [_touched(sources, image, commit) for commit in commits]
    places = itertools.accumulate((after != before for after, before in itertools.pairwise(touched)), initial=0)
    return list(places)


def _touched(sources: ImageSources, image: str, commit: pygit2.Commit) -> list[str]:
    shared = "packages" if sources.workspace == "." else f"{sources.workspace}/packages"
    paths = (sources.images[image].folder, shared)
    return [str(commit.tree[path].id) if path in commit.tree else "" for path in paths]


# --- a history that grows -------------------------------------------------------------------------------


def _growing(rounds: int, short: int, long: int) -> None:
    """Every stack runs what the oldest commit made: the whole history has to be walked."""
    samples = {length: Samples() for length in (short, long)}
    processes: dict[int, int] = {}
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as name:
        projects = {length: _project(Path(name) / str(length), length) for length in (short, long)}
        for _ in range(rounds):
            for length, project in projects.items():
                counter = Path(name) / f"{length}.count"
                counter.unlink(missing_ok=True)
                samples[length].time(_list, project, _counting_git(Path(name), counter))
                processes[length] = len(counter.read_text().splitlines()) if counter.exists() else 0
    row = Ratio("snu images, whole history walked", samples[long], samples[short])
    print_table([row], f"{long} commits", f"{short} commits")
    told = ", ".join(f"{count} at {length} commits" for length, count in processes.items())
    print(f"git processes: {told}")


def _list(project: Project, path: str) -> None:
    ended = project.snu("images", "--json", PATH=path)
    if ended.returncode not in (ExitCode.OK, ExitCode.INCOMPLETE):  # the stacks have no state
        raise SystemExit(f"snu images failed:\n{ended.stdout}{ended.stderr}")
    for image in json.loads(ended.stdout)["images"].values():
        for stack in _STACKS:
            if not image["environments"][stack]["changes"]:
                raise SystemExit(f"snu images did not find what {stack} runs")


def _counting_git(folder: Path, counter: Path) -> str:
    """A PATH on which each start of git is counted."""
    bin_folder = folder / f"bin-{counter.stem}"
    bin_folder.mkdir(exist_ok=True)
    script = bin_folder / "git"
    script.write_text(f'#!/bin/sh\necho started >> {counter}\nPATH={os.environ["PATH"]} exec git "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return f"{bin_folder}{os.pathsep}{os.environ['PATH']}"


def _project(folder: Path, length: int) -> Project:
    project = copy_project(folder)
    made = pygit2.init_repository(str(folder), initial_head="main")
    sources = {"workspace": "apps", "images": {name: {"folder": f"apps/{name}"} for name in _APPS}}
    (folder / "images.yaml").write_text(yaml.safe_dump(sources))
    (folder / ".gitignore").write_text("*\n")
    subprocess.run(["git", "fast-import", "--quiet"], input="".join(_history(length)).encode(), cwd=folder, check=True)
    made.checkout("HEAD", strategy=pygit2.enums.CheckoutStrategy.FORCE)
    repository = Repository.find(folder)
    assert repository is not None
    oldest = repository.tree(f"HEAD~{length - 1}")
    versions = Versions(repository, ImageSources.model_validate(sources))
    for stack in _STACKS:
        file = project.stack_file(stack)
        document = yaml.safe_load(file.read_text())
        apps = document["config"]["snu:apps"]
        keep_apps(document["config"], {name: apps[name] for name in _APPS})
        for name in _APPS:
            document["config"]["snu:images"][name]["version"] = versions.inputs(name, oldest).version
        file.write_text(stack_yaml(document))
    return project


def _history(length: int) -> Iterator[str]:
    """For `git fast-import`: each commit touches one app, the shared package, the lock file, or nothing of them."""
    for number in range(length):
        files = {f"docs/{number % 40}.md": f"{number}"}
        files |= _first() if number == 0 else {}
        if number % 5 < len(_APPS):
            files[f"apps/{_APPS[number % 5]}/main.js"] = f"// {number}"
        if number % 53 == 0:
            files["apps/packages/shared/index.js"] = f"// {number}"
        if number % 97 == 0:
            lock = {"lockfileVersion": 3, "packages": _locked(number)}
            files["apps/package-lock.json"] = json.dumps(lock)
        message = f"commit {number}"
        yield f"commit refs/heads/main\ncommitter A <a@snu.localhost> {1_700_000_000 + number} +0000\n"
        yield f"data {len(message)}\n{message}\n"
        for path, text in files.items():
            yield f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n"
        yield "\n"


def _first() -> dict[str, str]:
    files = {
        "apps/package.json": json.dumps({"workspaces": ["*", "packages/*"]}),
        "apps/packages/shared/package.json": json.dumps({"name": "shared"}),
    }
    for app in _APPS:
        files[f"apps/{app}/package.json"] = json.dumps({"name": app, "dependencies": {"shared": "*", "p0": "1"}})
        files[f"apps/{app}/Dockerfile"] = "FROM x"
        files[f"apps/{app}/main.js"] = ""
    return files


def _locked(generation: int) -> dict[str, object]:
    """A chain of packages, each of which depends on the next two."""
    packages: dict[str, object] = {app: {"dependencies": {"shared": "*", "p0": "1"}} for app in _APPS}
    packages["node_modules/shared"] = {"resolved": "packages/shared", "link": True}
    packages["packages/shared"] = {}
    for number in range(_PACKAGES):
        following = {f"p{number + step}": "1" for step in (1, 2) if number + step < _PACKAGES}
        packages[f"node_modules/p{number}"] = {"version": f"1.0.{generation}", "dependencies": following}
    return packages
