"""Checks the installed programs: the Pulumi CLI, its plugins, and the programs that some commands need."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from ops.doctor.context import DoctorContext, Finding, MissingRequirement, Note, UncheckedRequirement
from ops.process_environment import without_own_secrets
from pulumi_state import yaml_file
from pulumi_state.errors import PulumiError

_SECONDS = 20
_INSTALL = "install it: https://www.pulumi.com/docs/install/"
_PROVIDER = "pulumi-resource-scaleway"
_PACKAGE = "pulumiverse-scaleway"
_HOST = "pulumi-language-python"
_COMPARISON = re.compile(r"(>=|<=|>|<|=)?v?(\d+\.\d+\.\d+)")
_OPTIONAL = {"docker": "builds images", "gh": "stores secrets in GitHub"}


class Version(NamedTuple):
    """A release's version."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """The first version in a program's output; None if there is none."""
        match = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
        return cls(*map(int, match.groups())) if match else None

    def __str__(self) -> str:
        return ".".join(map(str, self))


def programs(subject: DoctorContext) -> Iterator[Finding]:
    """The Pulumi CLI and its plugins have the versions that the project requires."""
    environ = without_own_secrets(subject.environ)
    path = environ.get("PATH")
    if shutil.which("git", path=path) is None:
        yield MissingRequirement("git is not on PATH", "install Git, which releases and plans need")
    real = any(not stack.is_local for stack in subject.stacks)
    if shutil.which("pulumi", path=path) is None:
        if real:
            yield MissingRequirement("pulumi is not on PATH, and stacks on the real Scaleway need it", _INSTALL)
        else:
            yield Note("no Pulumi CLI: the embedded engine deploys local stacks")
    else:
        yield from _cli(subject.project_dir, environ)
    for name, purpose in _OPTIONAL.items():
        if shutil.which(name, path=path) is None:
            yield Note(f"no {name}, which {purpose}")


def _cli(project: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    found = _version_of(["pulumi", "version"], environ)
    if found is None:
        yield UncheckedRequirement("the version of the Pulumi CLI", "`pulumi version` did not print one")
        return
    required = _required(project)
    if required and (allowed := within(found, required)) is not True:
        if allowed is None:
            reason = f"requiredPulumiVersion in Pulumi.yaml is {required!r}, which is not a version range"
            yield UncheckedRequirement("whether the version of the Pulumi CLI is allowed", reason)
        else:
            yield MissingRequirement(f"pulumi is {found}, but Pulumi.yaml requires {required}", _INSTALL)
    sdk = _installed("pulumi")
    if sdk and sdk > found:
        yield MissingRequirement(f"pulumi is {found}, older than the SDK {sdk}", _INSTALL)
    if shutil.which(_HOST, path=environ.get("PATH")) is None:
        yield MissingRequirement(f"{_HOST} is not on PATH", "reinstall the Pulumi CLI, which includes it")
    yield Note(f"pulumi {found}" + (f", SDK {sdk}" if sdk else ""))
    yield from _provider(environ)


def _provider(environ: Mapping[str, str]) -> Iterator[Finding]:
    """A plugin on PATH takes precedence over the downloaded one with the required version."""
    required = _installed(_PACKAGE)
    if required is None:
        yield UncheckedRequirement("the version of the Scaleway plugin", f"{_PACKAGE} is not installed")
        return
    if shutil.which(_PROVIDER, path=environ.get("PATH")) is None:
        home = Path(environ.get("PULUMI_HOME") or Path(environ.get("HOME", "/"), ".pulumi"))
        downloaded = (home / "plugins" / f"resource-scaleway-v{required}").is_dir()
        yield Note(f"Scaleway plugin {required}" + ("" if downloaded else ", which the first run downloads"))
        return
    found = _version_of([_PROVIDER, "--version"], environ)
    if found is None:
        yield UncheckedRequirement("the version of the Scaleway plugin", f"`{_PROVIDER} --version` did not print one")
    elif found != required:
        yield MissingRequirement(
            f"{_PROVIDER} on PATH is {found}, but the project uses {required}",
            "remove it from PATH; Pulumi then downloads the required version",
        )
    else:
        yield Note(f"Scaleway plugin {found}")


def within(found: Version, required: str) -> bool | None:
    """Whether a version is in a range such as ``>=3.259.0 <4.0.0``; None for any other notation."""
    allowed = True
    for part in required.split():
        match = _COMPARISON.fullmatch(part)
        limit = Version.parse(match[2]) if match else None
        if match is None or limit is None:
            return None
        allowed &= {
            ">=": found >= limit,
            "<=": found <= limit,
            ">": found > limit,
            "<": found < limit,
        }.get(match[1] or "=", found == limit)
    return allowed


def _required(project: Path) -> str:
    try:
        return str(yaml_file.read(project / "Pulumi.yaml").values.get("requiredPulumiVersion") or "")
    except PulumiError:
        return ""


def _installed(package: str) -> Version | None:
    try:
        return Version.parse(version(package))
    except PackageNotFoundError:
        return None


def _version_of(command: list[str], environ: Mapping[str, str]) -> Version | None:
    environ = {**environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        ended = subprocess.run(
            command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Version.parse(ended.stdout) if ended.returncode == 0 else None
