"""Versions of images: what changes them, what does not, and what Docker gets to see."""

import json
import os
import posixpath
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pulumi
import pygit2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitrepo import Repository as GitRepository
from infra import program
from infra.images.context import write_context
from infra.images.errors import ImageSourceError
from infra.images.inputs import Inputs
from infra.images.lockfile import pruned_lock
from infra.images.versions import Versions
from infra.images.working_copy import WorkingCopy
from infra.settings import SettingsError
from infra.settings.images import ImageSources
from tests.support.mocks import FOUNDATION_OUTPUTS, PUSHED_DIGEST, Cloud, Run, Secret, run

SIGNATURE = pygit2.Signature("A", "a@snu.localhost", 1_700_000_000, 0)
SOURCES: dict[str, Any] = {
    "workspace": "code",
    "images": {
        "api": {"folder": "code/api", "arguments": {"MODE": "full"}},
        "admin": {"folder": "code/admin", "include": ["code/tsconfig.json"]},
        "scanner": {"folder": "code/scanner"},
    },
}


def manifest(name: str, **fields: Any) -> str:
    return json.dumps({"name": name, "version": "1.0.0", **fields})


def package(version: str, **fields: Any) -> dict[str, Any]:
    return {"version": version, "integrity": f"sha512-{version}", **fields}


LOCK: dict[str, Any] = {
    "name": "root",
    "lockfileVersion": 3,
    "requires": True,
    "packages": {
        "": {"name": "root", "workspaces": ["api", "admin", "packages/*"]},
        "admin": {"name": "admin", "dependencies": {"react": "1", "@snu/ui": "*"}},
        "api": {"name": "api", "dependencies": {"fastify": "1", "@snu/service": "*"}, "devDependencies": {"tsc": "5"}},
        "packages/service": {"name": "@snu/service", "dependencies": {"shared": "1"}},
        "packages/ui": {"name": "@snu/ui", "peerDependencies": {"react": "1"}},
        "node_modules/@snu/service": {"resolved": "packages/service", "link": True},
        "node_modules/@snu/ui": {"resolved": "packages/ui", "link": True},
        "node_modules/admin": {"resolved": "admin", "link": True},
        "node_modules/api": {"resolved": "api", "link": True},
        "node_modules/fastify": package("1.2.0", dependencies={"shared": "2"}, devDependencies={"never": "1"}),
        "node_modules/fastify/node_modules/shared": package("2.0.0"),
        "node_modules/react": package("1.0.0", optionalDependencies={"fsevents": "1"}),
        "node_modules/fsevents": package("1.0.0", optional=True),
        "node_modules/shared": package("1.0.0"),
        "node_modules/tsc": package("5.0.0", dev=True),
    },
}
FILES: dict[str, str | None] = {
    "README.md": "hello",
    "infra/program.py": "pass",
    "code/package.json": json.dumps({"name": "root", "workspaces": ["api", "admin", "packages/*"]}),
    "code/package-lock.json": json.dumps(LOCK),
    "code/.npmrc": "fund=false\n",
    "code/tsconfig.json": "{}",
    "code/api/package.json": manifest("api", dependencies={"fastify": "1", "@snu/service": "*"}),
    "code/api/Dockerfile": "FROM node\n",
    "code/api/src/main.js": "run()",
    "code/admin/package.json": manifest("admin", dependencies={"react": "1", "@snu/ui": "*"}),
    "code/admin/Dockerfile": "FROM node\n",
    "code/packages/service/package.json": manifest("@snu/service", dependencies={"shared": "1"}),
    "code/packages/ui/package.json": manifest("@snu/ui"),
    "code/scanner/Dockerfile": "FROM debian\n",
}


def found_repository(folder: Path) -> GitRepository:
    found = GitRepository.find(folder)
    assert found is not None
    return found


class Repository:
    """A repository of trees made from texts."""

    def __init__(self, folder: Path) -> None:
        self.git = pygit2.init_repository(str(folder))
        self.read = found_repository(folder)
        self.versions = Versions(self.read, ImageSources.model_validate(SOURCES))

    def tree(self, changes: Mapping[str, str | None] | None = None, **modes: Any) -> str:
        index = pygit2.Index()
        for path, text in {**FILES, **(changes or {})}.items():
            if text is not None:
                blob = self.git.create_blob(text.encode())
                index.add(pygit2.IndexEntry(path, blob, modes.get("mode", pygit2.enums.FileMode.BLOB)))
        return str(index.write_tree(self.git))

    def inputs(self, image: str, changes: Mapping[str, str | None] | None = None) -> Inputs:
        """Read again, and by a reader that has seen other states: they must agree."""
        tree = self.tree(changes)
        seen = self.versions.inputs(image, tree)
        fresh = Versions(self.read, ImageSources.model_validate(SOURCES)).inputs(image, tree)
        assert seen.version == fresh.version
        return seen


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("git"))


def touched(repository: Repository, changes: Mapping[str, str | None]) -> list[str]:
    """The images whose versions the changes change."""
    return [
        image
        for image in repository.versions.images
        if repository.inputs(image, changes).version != repository.inputs(image).version
    ]


def lock_with(**packages: Any) -> str:
    """The lock file with other entries: None removes one."""
    changed = {**LOCK["packages"], **{key.replace("__", "/"): value for key, value in packages.items()}}
    return json.dumps({**LOCK, "packages": {key: value for key, value in changed.items() if value is not None}})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"README.md": "other"}, []),
        ({"infra/program.py": "x", "docs/new.md": "x"}, []),
        ({"code/packages/unused/package.json": manifest("@snu/unused")}, []),
        ({"code/api/src/main.js": "walk()"}, ["api"]),
        ({"code/api/src/main.js": None, "code/api/src/start.js": "run()"}, ["api"]),
        ({"code/api/Dockerfile": "FROM node:24\n"}, ["api"]),
        ({"code/packages/service/package.json": manifest("@snu/service", type="module")}, ["api"]),
        ({"code/packages/ui/index.jsx": "x"}, ["admin"]),
        ({"code/tsconfig.json": "{ }"}, ["admin"]),
        ({"code/.npmrc": "fund=true\n"}, ["api", "admin"]),
        ({"code/scanner/list": "x"}, ["scanner"]),
        ({"code/package.json": json.dumps({"name": "root", "workspaces": ["api", "admin", "packages/*", "x"]})}, []),
        (
            {
                "code/package.json": json.dumps(
                    {"name": "root", "workspaces": ["api", "admin", "packages/*"], "overrides": {"a": "1"}}
                )
            },
            ["api", "admin"],
        ),
        (
            {"code/package-lock.json": lock_with(node_modules__fastify=package("1.3.0", dependencies={"shared": "2"}))},
            ["api"],
        ),
        ({"code/package-lock.json": lock_with(node_modules__fastify__node_modules__shared=package("2.0.1"))}, ["api"]),
        ({"code/package-lock.json": lock_with(node_modules__shared=package("1.0.1"))}, ["api"]),
        ({"code/package-lock.json": lock_with(node_modules__tsc=package("5.0.1"))}, ["api"]),
        ({"code/package-lock.json": lock_with(node_modules__fsevents=package("1.0.1"))}, ["admin"]),
        ({"code/package-lock.json": lock_with(node_modules__other=package("1.0.0"))}, []),
        (
            {
                "code/package-lock.json": lock_with(
                    admin={"name": "admin", "dependencies": {"react": "1", "@snu/ui": "*", "x": "1"}}
                )
            },
            ["admin"],
        ),
    ],
)
def test_what_changes_a_version(repository: Repository, changes: Mapping[str, str | None], expected: list[str]) -> None:
    assert touched(repository, changes) == expected


def test_build_arguments_and_dockerfile_count(repository: Repository) -> None:
    tree = repository.tree({"code/other.Dockerfile": "FROM node\n"})
    found = set()
    for change in ({}, {"arguments": {"MODE": "small"}}, {"dockerfile": "code/other.Dockerfile"}):
        sources = {**SOURCES, "images": {"api": {**SOURCES["images"]["api"], **change}}}
        found.add(Versions(repository.read, ImageSources.model_validate(sources)).inputs("api", tree).version)
    assert len(found) == 3


def test_an_executable_bit_counts(repository: Repository) -> None:
    executable = repository.tree(mode=pygit2.enums.FileMode.BLOB_EXECUTABLE)
    assert repository.versions.inputs("scanner", executable).version != repository.inputs("scanner").version


def test_versions_stay_what_they_were(repository: Repository) -> None:
    """Environments run images by them: another version of the same sources is a build and a deploy of everything."""
    recorded = {
        "api": "80417f4deaa52be990850cd944bfaec1c2131046",
        "admin": "4e829b59d94dc644d9941359f55a0453ab9c6ecc",
        "scanner": "88d5541606089987a4a0d228152631da471331f8",
    }
    assert {name: repository.inputs(name).version for name in recorded} == recorded
    executable = repository.tree(mode=pygit2.enums.FileMode.BLOB_EXECUTABLE)
    assert repository.versions.inputs("scanner", executable).version == "459890d56ff0c8310579e9621be12a9066593474"


def test_dependencies_are_followed_however_far(repository: Repository) -> None:
    changes = {
        "code/packages/service/package.json": manifest("@snu/service", devDependencies={"@snu/deep": "*"}),
        "code/packages/deep/package.json": manifest("@snu/deep", peerDependencies={"@snu/service": "*"}),
    }
    assert "packages/deep" in repository.inputs("api", changes).taken
    assert "packages/deep" not in repository.inputs("admin", changes).taken


@pytest.mark.parametrize(
    "root",
    [
        {"code/package.json": json.dumps({"workspaces": {"packages": ["./api/", "packages/**"]}})},
        {
            "code/package.json": json.dumps({"name": "root"}),
            "code/pnpm-workspace.yaml": "packages: [api, 'packages/*']",
        },
        {"code/package.json": json.dumps({"workspaces": ["*", "packages/*", "!packages/ui"]})},
    ],
)
def test_workspaces_are_named_in_many_ways(repository: Repository, root: Mapping[str, str]) -> None:
    assert "packages/service" in repository.inputs("api", {**root, "code/package-lock.json": None}).taken


def test_a_package_by_its_path_belongs_to_it(repository: Repository) -> None:
    changes = {
        "code/api/package.json": manifest("api", dependencies={"local": "file:../libs/local"}),
        "code/libs/local/package.json": manifest("local"),
    }
    assert "libs/local" in repository.inputs("api", changes).taken


@pytest.mark.parametrize("name", ["yarn.lock", "pnpm-lock.yaml"])
def test_other_lock_files_count_as_a_whole(repository: Repository, name: str) -> None:
    before = {"code/package-lock.json": None, f"code/{name}": "a"}
    after = {**before, f"code/{name}": "b"}
    for image, same in (("api", False), ("admin", False), ("scanner", True)):
        assert (repository.inputs(image, before).version == repository.inputs(image, after).version) == same


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"code/api/Dockerfile": None}, "api: api/Dockerfile is missing or gitignored"),
        ({"code/api/package.json": "{"}, "api: api/package.json is not valid JSON"),
        ({"code/package.json": "[]"}, "api: package.json is not valid JSON: expected a JSON object"),
        ({"code/pnpm-workspace.yaml": "- a: ["}, "api: pnpm-workspace.yaml is not valid"),
    ],
)
def test_what_is_missing_or_damaged_is_named(
    repository: Repository, changes: Mapping[str, str | None], message: str
) -> None:
    with pytest.raises(ImageSourceError) as raised:
        repository.inputs("api", changes)
    assert str(raised.value).startswith(message)


def test_everything_lies_in_the_workspace(repository: Repository) -> None:
    sources = {"workspace": "code", "images": {"api": {"folder": "code/api", "include": ["docs"]}}}
    with pytest.raises(ImageSourceError, match="api: docs is outside the workspace code"):
        Versions(repository.read, ImageSources.model_validate(sources)).inputs("api", repository.tree())


# --- the context ----------------------------------------------------------------------------------------


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_the_context_holds_the_inputs_and_nothing_else(repository: Repository, tmp_path: Path) -> None:
    write_context(repository.read, repository.inputs("api"), tmp_path)
    assert written(tmp_path) == {
        ".npmrc",
        "api/Dockerfile",
        "api/package.json",
        "api/src/main.js",
        "package-lock.json",
        "package.json",
        "packages/service/package.json",
    }
    assert json.loads((tmp_path / "package.json").read_text())["workspaces"] == ["api", "packages/service"]
    packages = json.loads((tmp_path / "package-lock.json").read_text())["packages"]
    assert packages[""]["workspaces"] == ["api", "packages/service"]
    assert "node_modules/react" not in packages
    assert packages["node_modules/fastify/node_modules/shared"] == package("2.0.0")


def test_links_and_modes_arrive(repository: Repository, tmp_path: Path) -> None:
    index = pygit2.Index()
    for path, text, mode in (
        ("code/scanner/Dockerfile", "FROM x", pygit2.enums.FileMode.BLOB),
        ("code/scanner/run", "#!/bin/sh", pygit2.enums.FileMode.BLOB_EXECUTABLE),
        ("code/scanner/link", "run", pygit2.enums.FileMode.LINK),
    ):
        index.add(pygit2.IndexEntry(path, repository.git.create_blob(text.encode()), mode))
    tree = str(index.write_tree(repository.git))
    inputs = repository.versions.inputs("scanner", tree)
    assert inputs.version == "ff48f167cc2f6c63a1fb5807315b1141679321c0", "recorded"
    write_context(repository.read, inputs, tmp_path)
    assert (tmp_path / "scanner/link").readlink() == Path("run")
    assert (tmp_path / "scanner/run").stat().st_mode & 0o111
    assert not (tmp_path / "scanner/Dockerfile").stat().st_mode & 0o111


@pytest.mark.parametrize("umask", [0o077, 0o002])
def test_permissions_do_not_depend_on_the_umask(repository: Repository, tmp_path: Path, umask: int) -> None:
    """The image has them, and what runs in it is not root."""
    before = os.umask(umask)
    try:
        write_context(repository.read, repository.inputs("api"), tmp_path / "context")
    finally:
        os.umask(before)
    for path in (tmp_path / "context").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_a_submodule_is_refused(repository: Repository, tmp_path: Path) -> None:
    builder = repository.git.TreeBuilder()
    builder.insert("lib", pygit2.Oid(hex="1" * 40), pygit2.enums.FileMode.COMMIT)
    builder.insert("Dockerfile", repository.git.create_blob(b"FROM x"), pygit2.enums.FileMode.BLOB)
    for name in ("scanner", "code"):
        outer = repository.git.TreeBuilder()
        outer.insert(name, builder.write(), pygit2.enums.FileMode.TREE)
        builder = outer
    tree = str(builder.write())
    with pytest.raises(ImageSourceError, match="scanner/lib is a submodule"):
        write_context(repository.read, repository.versions.inputs("scanner", tree), tmp_path)


NAMES = st.sampled_from(["a", "b", "c", "@x/d", "e"])
PACKAGE = st.fixed_dictionaries({}, optional={"dependencies": st.dictionaries(NAMES, st.just("1"), max_size=3)})
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: "/".join(f"node_modules/{name}" for name in names))


@given(packages=st.dictionaries(PATHS, PACKAGE, max_size=12), needed=st.lists(NAMES, max_size=3))
@settings(max_examples=200)
def test_a_cut_lock_file_resolves_as_the_whole_one(packages: dict[str, Any], needed: list[str]) -> None:
    """Whatever is kept finds what it found before, and cutting twice changes nothing."""
    entries = {"": {}, "api": {"dependencies": dict.fromkeys(needed, "1")}, **packages}
    cut = json.loads(pruned_lock({"packages": entries}, {}, ["api"]))
    kept = cut["packages"]
    assert kept.items() <= entries.items()
    for path, entry in kept.items():
        for name in entry.get("dependencies", {}):
            assert resolved(entries, path, name) == resolved(kept, path, name)
    assert json.loads(pruned_lock(cut, {}, ["api"])) == cut


def resolved(packages: Mapping[str, Any], path: str, name: str) -> str | None:
    while True:
        candidate = posixpath.join(path, "node_modules", name)
        if candidate in packages and not path.endswith("node_modules"):
            return candidate
        if not path:
            return None
        path = posixpath.dirname(path)


# --- the working copy -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, text in {**FILES, "images.yaml": json.dumps(SOURCES), ".gitignore": "dist\n.local\n"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text or "")
    pygit2.init_repository(str(tmp_path))
    return tmp_path


def test_what_is_not_committed_counts_and_what_is_ignored_does_not(folder: Path) -> None:
    before = WorkingCopy(folder).inputs("api").version
    (folder / "code/api/dist").mkdir()
    (folder / "code/api/dist/out.js").write_text("x")
    assert WorkingCopy(folder).inputs("api").version == before
    (folder / "code/api/src/new.js").write_text("x")
    assert WorkingCopy(folder).inputs("api").version != before


def test_the_version_is_that_of_the_commit(folder: Path, repository: Repository) -> None:
    assert WorkingCopy(folder).inputs("api").version == repository.inputs("api").version


def test_an_image_that_is_not_described(folder: Path) -> None:
    with pytest.raises(ImageSourceError, match=r"antivirus: not in images.yaml; available: .*api, admin, scanner"):
        WorkingCopy(folder).inputs("antivirus")


def test_a_folder_without_git(tmp_path: Path) -> None:
    with pytest.raises(ImageSourceError, match="is not in a Git repository"):
        WorkingCopy(tmp_path)


def test_all_problems_of_images_yaml_are_listed(folder: Path) -> None:
    wrong = {"images": {"API": {"folder": "/a"}, "app": {"folder": "a/../b", "arguments": {"A-B": 1}, "x": 1}}}
    (folder / "images.yaml").write_text(json.dumps(wrong))
    with pytest.raises(SettingsError) as raised:
        WorkingCopy(folder)
    text = str(raised.value)
    assert {problem.key for problem in raised.value.errors} >= {
        "images.API.folder",
        "images.app.folder",
        "images.app.x",
    }
    assert "the name `API`" in text
    assert "snu:" not in text


# --- built by Pulumi ------------------------------------------------------------------------------------


CONFIG = {
    "snu:blueprint": "environment",
    "snu:environment": json.dumps({"name": "local", "foundation": "foundation-local"}),
    "snu:images": "build",
    "snu:apps": json.dumps(
        {
            "api": {"cpu": 256, "memory": 256},
            "tasks": {"cpu": 256, "memory": 256, "image": "api"},
            "admin": {"cpu": 256, "memory": 256},
        }
    ),
}


def program_in(folder: Path, config: Mapping[str, str] | None = None) -> Run:
    cloud = Cloud(document={}, foundation=FOUNDATION_OUTPUTS)
    return run(partial(program.run, folder), cloud=cloud, stack="test", config={**CONFIG, **(config or {})})


def test_pulumi_builds_each_image_once_from_its_context(folder: Path) -> None:
    result = program_in(folder)
    images = {image.name: image for image in result.of_type("docker:index/image:Image")}
    assert set(images) == {"api-image", "admin-image"}
    version = WorkingCopy(folder).inputs("api").version
    inputs = images["api-image"].inputs
    assert inputs["imageName"] == f"{FOUNDATION_OUTPUTS['registryEndpoints']['local']}/api:{version}"
    assert inputs["build"]["args"] == {"MODE": "full", "VERSION": version}
    assert inputs["build"]["platform"] == "linux/amd64"
    context = Path(inputs["build"]["context"])
    assert Path(inputs["build"]["dockerfile"]).read_text() == "FROM node\n"
    assert "package-lock.json" in written(context)
    assert "registry" not in inputs
    for app in ("api", "tasks"):
        assert result.named(f"{app}-container").inputs["image"].endswith(f"api-image@{PUSHED_DIGEST}")
    assert result.outputs["images"]["api"] == {"version": version, "digest": PUSHED_DIGEST}


def test_only_a_key_of_the_stacks_file_is_used_to_push(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCW_SECRET_KEY", "a-real-key")
    assert "registry" not in program_in(folder).named("api-image").inputs
    inputs = program_in(folder, {"scaleway:secretKey": "fake"}).named("api-image").inputs
    assert inputs["registry"]["password"] == Secret("fake")
    assert inputs["registry"]["server"] == "registry.example.test"


def test_pulumi_does_not_build_an_image_that_needs_secrets(folder: Path) -> None:
    content = json.loads((folder / "images.yaml").read_text())
    content["images"]["api"]["secrets"] = [{"id": "npm", "env": "NPM_TOKEN"}]
    version = WorkingCopy(folder).inputs("api").version
    (folder / "images.yaml").write_text(json.dumps(content))
    assert WorkingCopy(folder).inputs("api").version == version
    with pytest.raises(pulumi.RunError, match=r"^api: the build needs secrets \(npm\), which Pulumi's Docker provider"):
        program_in(folder)


def test_nothing_stays_in_a_context_from_before(folder: Path) -> None:
    program_in(folder)
    (folder / "code/api/src/main.js").unlink()
    context = Path(program_in(folder).named("api-image").inputs["build"]["context"])
    assert "api/src/main.js" not in written(context)


def test_the_context_of_a_build_under_way_stays_as_it_is(folder: Path) -> None:
    context = Path(program_in(folder).named("api-image").inputs["build"]["context"])
    (folder / "code/api/src/main.js").write_text("other()")
    assert Path(program_in(folder).named("api-image").inputs["build"]["context"]) != context
    assert (context / "api/src/main.js").read_text() == "run()"


def test_contexts_are_removed_a_day_after_they_were_used(folder: Path) -> None:
    contexts = folder / "contexts"
    old, _ = _kept(folder, contexts, "one()"), _kept(folder, contexts, "two()")
    os.utime(old, (0, 0))
    _kept(folder, contexts, "one()")
    assert old.is_dir(), "it is in use again"
    os.utime(old, (0, 0))
    last = _kept(folder, contexts, "three()")
    assert not old.exists()
    assert len(list(last.parent.iterdir())) == 2


def _kept(folder: Path, contexts: Path, text: str) -> Path:
    (folder / "code/api/src/main.js").write_text(text)
    inputs, kept = WorkingCopy(folder).keep_context("api", contexts)
    assert kept.name == inputs.version
    assert (kept / "api/src/main.js").read_text() == text
    return kept


def test_the_state_is_the_same_wherever_the_project_lies(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise another machine would build everything again."""
    other = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(folder, other)
    found = []
    for place in (folder, other):
        monkeypatch.chdir(place)
        found.append(program_in(place).named("api-image").inputs)
        assert (place / found[-1]["build"]["dockerfile"]).is_file()
    assert found[0] == found[1]
    assert str(folder) not in json.dumps(found[0])


def test_an_image_that_cannot_be_built_is_a_mistake_of_the_user(folder: Path) -> None:
    (folder / "code/api/Dockerfile").unlink()
    with pytest.raises(pulumi.RunError, match="api: api/Dockerfile is missing or gitignored"):
        program_in(folder)
