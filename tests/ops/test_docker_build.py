"""Docker builds: their options and logs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from gitrepo import Entry
from infra.images.inputs import inputs_of
from infra.settings.images import ImageSources
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images import docker as docker_module
from ops.images.buildkit import buildkit_options, cache_problems
from ops.images.docker import BuildError, BuildOptions, Docker

_ENGINE: Any = None
"""A build uses the command line; only a push uses the engine."""


def docker(folder: Path, script: str) -> Docker:
    command = folder / "docker"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return Docker(_ENGINE, str(command), {})


def recipe(folder: Path, network: str | None = None) -> BuildOptions:
    log = folder / ".local/builds/api.log"
    return BuildOptions(
        folder, folder / "Dockerfile", "registry/api:1", {"VERSION": "1"}, {"revision": "2"}, network, log
    )


@pytest.mark.parametrize("network", ["host", None])
def test_images_are_built_for_amd64_on_the_network_that_images_yaml_names(tmp_path: Path, network: str | None) -> None:
    sources = ImageSources.model_validate(
        {"images": {"api": {"folder": "api"}}} | ({"network": network} if network else {})
    )
    said: list[str] = []
    docker(tmp_path, 'printf "%s\\n" "$*"').build(recipe(tmp_path, sources.network), said.append)
    (command,) = said
    assert command.startswith("build --platform linux/amd64 --tag registry/api:1 ")
    assert "--build-arg VERSION=1" in command
    assert ("--network host" in command) is bool(network)
    assert command.endswith(f" {tmp_path}")


def test_a_failed_build_logs_all_output_and_reports_the_end(tmp_path: Path) -> None:
    failing = docker(tmp_path, "seq 100; echo no space left >&2; exit 9")
    with pytest.raises(BuildError, match=r"status 9(?s:.*)no space left") as failed:
        failing.build(recipe(tmp_path), lambda _line: None)
    assert "\n1\n" not in str(failed.value)
    log = recipe(tmp_path).log.read_text().splitlines()
    assert log == [*map(str, range(1, 101)), "no space left"]


@pytest.mark.parametrize("chosen", ["", "0"])
def test_images_have_no_attestation_unless_the_environment_asks_for_it(chosen: str, tmp_path: Path) -> None:
    said: list[str] = []
    made = docker(tmp_path, "echo $BUILDX_NO_DEFAULT_ATTESTATIONS")
    made.environ = {"BUILDX_NO_DEFAULT_ATTESTATIONS": chosen} if chosen else {}
    made.build(recipe(tmp_path), said.append)
    assert said == [chosen or "1"]


@pytest.mark.parametrize("child", ["sleep 300", "trap '' TERM; while :; do sleep 1; done"])
def test_stopping_ends_plugins_that_the_docker_cli_only_waits_for(
    child: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Docker's CLI 20.10 does: it handles signals itself and waits for buildx."""
    monkeypatch.setattr(docker_module, "_STOP_SECONDS", 0.5)
    cli = f'trap : TERM\nsh -c "{child}" &\necho started\nwhile kill -0 $!; do wait; done\nexit 1'
    waiting = docker(tmp_path, cli)
    started = threading.Event()
    with ThreadPoolExecutor() as pool:
        built = pool.submit(waiting.build, recipe(tmp_path), lambda _line: started.set())
        assert started.wait(30)
        waiting.stop()
        assert str(built.exception(30)) == "cancelled"


# --- BuildKit ---------------------------------------------------------------------------------------------

VALUE = "fake-token-of-npm"
CACHE_OPTIONS = "mode=max,image-manifest=true,ignore-error=true"


def sources(**more: Any) -> ImageSources:
    secrets = [{"id": "npmrc", "env": "NPM_TOKEN"}, {"id": "ca", "file": "certificates/ca.pem"}]
    images = {"api": {"folder": "api", "secrets": secrets}, "app": {"folder": "app"}}
    return ImageSources.model_validate({"images": images} | more)


def with_file(root: Path) -> Path:
    (root / "certificates").mkdir()
    (root / "certificates/ca.pem").write_text("hush-hush")
    return root


def test_secrets_and_the_cache_reach_buildkit_without_a_value_in_arguments_or_logs(tmp_path: Path) -> None:
    cache = {"from": "rg.example.test/snu-ci/cache", "to": "rg.example.test:5000/snu-ci/cache"}
    options = buildkit_options(["api", "app"], sources(cache=cache), with_file(tmp_path), {"NPM_TOKEN": VALUE})
    said: list[str] = []
    script = 'printf "%s\\n" "$*"; printf "token: %s\\n" "$NPM_TOKEN"'
    built = replace(recipe(tmp_path), buildkit=options["api"])
    docker(tmp_path, script).build(built, said.append)
    assert said[0].startswith(
        f"buildx build --load --secret id=npmrc,env=NPM_TOKEN --secret id=ca,src={tmp_path}/certificates/ca.pem "
        "--cache-from type=registry,ref=rg.example.test/snu-ci/cache:api "
        f"--cache-to type=registry,ref=rg.example.test:5000/snu-ci/cache:api,{CACHE_OPTIONS} --platform linux/amd64 "
    )
    assert said[1] == "token: [secret]"
    assert VALUE not in built.log.read_text() + repr(options)
    assert options["app"].arguments == [
        "--load",
        *("--cache-from", "type=registry,ref=rg.example.test/snu-ci/cache:app"),
        *(
            "--cache-to",
            f"type=registry,ref=rg.example.test:5000/snu-ci/cache:app,{CACHE_OPTIONS}",
        ),
    ]


def test_no_line_of_a_secret_is_in_the_output(tmp_path: Path) -> None:
    """Not even if a step prints it; `}` is not hidden everywhere."""
    key = '{\n  "key": "hush-1"\n}\n'
    listed = {
        "images": {"api": {"folder": "api", "secrets": [{"id": "a", "env": "A"}, {"id": "b", "file": "key.json"}]}}
    }
    (tmp_path / "key.json").write_text(key)
    options = buildkit_options(["api"], ImageSources.model_validate(listed), tmp_path, {"A": "hush\r\nhush-hush-2\n"})
    said: list[str] = []
    built = replace(recipe(tmp_path), buildkit=options["api"])
    docker(tmp_path, f'echo "#1 $A"; cat {tmp_path}/key.json; echo "}}"').build(built, said.append)
    assert said == ["#1 hush", "[secret]", "{", "[secret]", "}", "}"]
    assert "hush-" not in built.log.read_text() + repr(options)


def test_builds_of_preview_environments_only_read_the_cache(tmp_path: Path) -> None:
    cache = {"from": "rg.example.test/snu-ci/cache", "to": "rg.example.test/snu-ci/cache"}
    options = buildkit_options(["app"], sources(cache=cache), tmp_path, {}, writes_cache=False)
    assert options["app"].arguments == ["--load", "--cache-from", "type=registry,ref=rg.example.test/snu-ci/cache:app"]


_OUTPUT = """#0 building with "ci" instance using remote driver
#3 importing cache manifest from rg.example.test/snu-ci/cache:api
#3 ERROR: failed to configure registry cache importer: {read}
#7 [build 2/2] RUN echo "#3 ERROR: not of this step"
#7 0.093 #11 ERROR: printed by the step
#11 exporting cache to registry
#11 writing layer sha256:62ccb71372d0 done
#11 ERROR: error writing layer blob: {written}
"""


def test_a_cache_that_was_not_used_is_reported() -> None:
    """In the words of BuildKit 0.32. A cache that nobody has written yet is no problem."""
    lines = _OUTPUT.format(read="401 Unauthorized", written="connection refused").splitlines()
    assert [*cache_problems(lines)] == [
        "the layer cache was not read: failed to configure registry cache importer: 401 Unauthorized",
        "the layer cache was not written: error writing layer blob: connection refused",
    ]
    first = _OUTPUT.format(read="rg.example.test/snu-ci/cache:api: not found", written="").splitlines()[:-1]
    assert [*cache_problems(first)] == []


@pytest.mark.parametrize(
    ("driver", "store", "can"),
    [
        ("docker", [["Backing Filesystem", "extfs"]], False),
        ("docker", None, False),
        ("docker", [["driver-type", "io.containerd.snapshotter.v1"]], True),
        ("docker-container", None, True),
        ("remote", None, True),
    ],
)
def test_dockers_own_builder_writes_a_cache_only_with_the_containerd_store(
    driver: str, store: list[list[str]] | None, can: bool, tmp_path: Path
) -> None:
    made = docker(tmp_path, f'printf "Name:   ci\\nDriver:        {driver}\\n"')
    made.client = cast(Any, SimpleNamespace(info=lambda: {"DriverStatus": store}))
    assert made.can_write_cache() is can


def test_a_file_name_cannot_add_options(tmp_path: Path) -> None:
    (tmp_path / "a,src=b").write_text("hush-hush")
    odd = {"images": {"api": {"folder": "api", "secrets": [{"id": "x", "file": "a,src=b"}]}}}
    options = buildkit_options(["api"], ImageSources.model_validate(odd), tmp_path, {})
    assert options["api"].secrets == [f'id=x,"src={tmp_path}/a,src=b"']


def test_images_without_secrets_or_a_cache_use_dockers_default_builder(tmp_path: Path) -> None:
    assert buildkit_options(["app"], sources(), tmp_path, {}) == {}


@pytest.mark.parametrize("environ", [{}, {"NPM_TOKEN": ""}])
def test_missing_secrets_are_all_named_before_anything_is_built(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(OpsError) as refused:
        buildkit_options(["app", "api"], sources(), tmp_path, environ)
    assert str(refused.value) == (
        "Secrets in images.yaml cannot be used:\n"
        "  api: npmrc: the variable NPM_TOKEN is not set\n"
        "  api: ca: the file certificates/ca.pem does not exist\n"
        "Nothing was built or changed."
    )
    assert refused.value.code == ExitCode.ENVIRONMENT


@pytest.mark.parametrize(
    "variable", ["SCW_SECRET_KEY", "PULUMI_CONFIG_PASSPHRASE", "GITHUB_TOKEN", "SNU_PLAN_IDENTITY"]
)
def test_a_build_cannot_read_the_credentials_of_a_deployment(variable: str, tmp_path: Path) -> None:
    """A pull request can change images.yaml."""
    secret = {"id": "x", "env": variable}
    wrong = ImageSources.model_validate({"images": {"api": {"folder": "api", "secrets": [secret]}}})
    with pytest.raises(OpsError, match=f"the variable {variable} may contain a deployment's credentials"):
        buildkit_options(["api"], wrong, tmp_path, {variable: VALUE})


@pytest.mark.parametrize("file", ["link", ".git/config"])
def test_a_build_cannot_read_files_outside_the_repository(file: str, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    (root / ".git/config").write_text("hush-hush")
    (tmp_path / "key").write_text("hush-hush")
    (root / "link").symlink_to(tmp_path / "key")
    secret = {"id": "x", "file": file}
    wrong = ImageSources.model_validate({"images": {"api": {"folder": "api", "secrets": [secret]}}})
    with pytest.raises(OpsError, match=r"is outside the repository, or in \.git"):
        buildkit_options(["api"], wrong, root, {})


def test_without_buildx_the_images_that_need_it_are_named(tmp_path: Path) -> None:
    legacy = docker(tmp_path, "echo \"docker: 'buildx' is not a docker command.\" >&2; exit 1")
    with pytest.raises(
        OpsError, match=r"`docker buildx`, which the secrets and caches in images.yaml need \(api\), is"
    ):
        legacy.require_buildkit(["api"])
    docker(tmp_path, "exit 0").require_buildkit(["api"])


@pytest.mark.parametrize(
    "secret",
    [
        {"id": "npmrc"},
        {"id": "npmrc", "env": "A", "file": "b"},
        {"id": "a,b", "env": "A"},
        {"id": "a", "env": "A B"},
        {"id": "a", "file": "/proc/self/environ"},
        {"id": "a", "file": "../key"},
        {"id": "a", "value": VALUE},
    ],
)
def test_invalid_secrets(secret: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ImageSources.model_validate({"images": {"api": {"folder": "api", "secrets": [secret]}}})


@pytest.mark.parametrize("repository", ["snu-ci", "rg.example.test/a:tag", "rg.example.test/a,mode=min", "https://a/b"])
def test_invalid_cache_repositories(repository: str) -> None:
    with pytest.raises(ValidationError):
        ImageSources.model_validate({"images": {"api": {"folder": "api"}}, "cache": {"from": repository}})


def test_secrets_do_not_change_the_version() -> None:
    """They are not among the inputs at all."""
    entry = Entry(0o100644, "1" * 40)

    class Everything(dict[str, Entry]):
        def entry(self, path: str) -> Entry | None:
            return entry if path in ("api", "api/Dockerfile") else None

    files = cast(Any, Everything())
    plain = ImageSources.model_validate({"images": {"api": {"folder": "api"}}})
    versions = {inputs_of("api", each.images["api"], ".", files).version for each in (plain, sources())}
    assert len(versions) == 1
