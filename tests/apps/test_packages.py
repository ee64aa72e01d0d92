"""The apps' own tests, their types, and what their images are built from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.apps.node import NODE, NPM, run
from tests.support.apps.workspace import APPS, Workspace

DOCKERFILES = sorted(APPS.glob("*/Dockerfile"))
MANIFESTS = {file.parent: json.loads(file.read_text()) for file in APPS.glob("*/package.json")} | {
    file.parent: json.loads(file.read_text()) for file in APPS.glob("packages/*/package.json")
}


def test_tests_of_the_packages(workspace: Workspace) -> None:
    done = run((NODE, "--test", "packages/*/test/*.test.js", "crash-alerts/test/*.test.js"), workspace.folder)
    assert done.returncode == 0, done.stdout
    (passed,) = re.findall(r"^\S+ pass (\d+)$", done.stdout, re.MULTILINE)
    assert int(passed) > 20


def test_types(workspace: Workspace) -> None:
    done = run((*NPM, "run", "check", "--workspace", "packages/checks"), workspace.folder)
    assert done.returncode == 0, done.stdout


def test_lock_file_has_hashes_and_no_addresses() -> None:
    packages = json.loads((APPS / "package-lock.json").read_text())["packages"]
    installed = {name: about for name, about in packages.items() if "node_modules/" in name and not about.get("link")}
    assert len(installed) > 10
    for name, about in installed.items():
        assert about["integrity"].startswith("sha512-"), name
        assert "resolved" not in about, name


def _needs(folder: Path) -> set[Path]:
    """The folders of the workspace's packages that an app depends on, its own included."""
    by_name = {manifest["name"]: folder for folder, manifest in MANIFESTS.items()}
    found, left = set(), {folder}
    while left:
        now = left.pop()
        found.add(now)
        names = {**MANIFESTS[now].get("dependencies", {}), **MANIFESTS[now].get("devDependencies", {})}
        left |= {by_name[name] for name in names if name in by_name} - found
    return found


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: file.parent.name)
class TestDockerfile:
    def test_copies_only_what_the_app_depends_on(self, dockerfile: Path) -> None:
        allowed = [*_needs(dockerfile.parent), APPS / "package.json", APPS / "package-lock.json"]
        copies = re.findall(r"^COPY (?!--from)(.+)$", dockerfile.read_text(), re.MULTILINE)
        sources = [APPS / source for copy in copies for source in copy.split()[:-1]]
        assert sources
        for source in sources:
            assert source.exists()
            assert any(source == folder or folder in source.parents for folder in allowed), source

    def test_any_builder_builds_it_and_only_node_is_started(self, dockerfile: Path) -> None:
        text = dockerfile.read_text()
        assert "syntax=" not in text
        assert "--mount" not in text
        (command,) = re.findall(r"^CMD (.+)$", text, re.MULTILINE)
        assert json.loads(command)[0] == "/usr/local/bin/node"
        assert re.search(r"^USER \d+:\d+$", text, re.MULTILINE)
        images = re.findall(r"^ARG (NODE_IMAGE|RUNTIME_IMAGE)=\S+@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
        assert images == ["NODE_IMAGE", "RUNTIME_IMAGE"]
        assert text.index("npm ci") < text.index(f"COPY {dockerfile.parent.name} {dockerfile.parent.name}")
        # Nothing slow is repeated because the version changed.
        assert "\nRUN" not in text[text.index("ARG VERSION") :]


def test_the_api_has_no_dependency_at_run_time() -> None:
    dependencies = {name for folder in _needs(APPS / "api") for name in MANIFESTS[folder].get("dependencies", {})}
    assert dependencies == {"@snu/service"}


def test_both_fronts_are_built_the_same_way() -> None:
    admin, app = ((APPS / front / "Dockerfile").read_text() for front in ("admin", "app"))
    assert re.sub(r"\badmin\b", "app", admin) == app
