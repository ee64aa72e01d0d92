"""The stacks of a project: their files and configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from infra import naming
from infra.loopback import is_loopback
from ops.errors import OpsError, UnknownNameError
from ops.exit_codes import ExitCode
from ops.local_port import config_file
from pulumi_state import project as pulumi_project
from pulumi_state.errors import PulumiError
from pulumi_state.stack_file import StackFile

if TYPE_CHECKING:
    from infra.settings import EnvironmentSettings, FoundationSettings

CHECKOUT = Path(__file__).resolve().parents[1]
"""The checkout that contains this code."""
default_project: Path | None = None
"""The project to work on if ``--cwd`` is not given; None means ``CHECKOUT``."""
LOCAL_PASSPHRASE = "local-not-a-secret"  # noqa: S105 - local stacks hold nothing secret

_STACK_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Stack:
    """One ``Pulumi.<name>.yaml``."""

    project_dir: Path
    name: str
    config: Mapping[str, Any]
    """The file's ``config`` with full keys such as ``scaleway:apiUrl``, and with the images that were built for the
    stack; secure values stay encrypted."""
    secrets_provider: str
    """The stack's secrets provider, ``passphrase`` by default."""
    salt: str = ""
    """The file's ``encryptionsalt``; empty if it has none."""

    @property
    def file(self) -> Path:
        """The file that is edited and committed."""
        return stack_file(self.project_dir, self.name)

    @property
    def config_file(self) -> Path:
        """The file that engines read: ``file``, or a generated copy with this checkout's own port."""
        return config_file(self.project_dir, self.name)

    @property
    def generated_config_file(self) -> Path | None:
        """``config_file`` if it is a copy; None if it is the tracked file."""
        return None if self.config_file == self.file else self.config_file

    @cached_property
    def api_url(self) -> str | None:
        """Address of Scaleway's API, if the stack configures one."""
        value = self.config.get("scaleway:apiUrl")
        return value.rstrip("/") if isinstance(value, str) and value else None

    @cached_property
    def api_address(self) -> SplitResult:
        """The parts of ``scaleway:apiUrl``. Raises OpsError if it is missing or invalid."""
        parts = urlsplit(self.api_url or "")
        try:
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise OpsError(
                f"{self.file.name}: scaleway:apiUrl is {self.config.get('scaleway:apiUrl') or 'not set'}; "
                "expected an address such as http://127.0.0.1:8421",
                ExitCode.SETTINGS,
            )
        return parts

    @cached_property
    def is_local(self) -> bool:
        """Whether it uses a local Scaleway, at a loopback address."""
        return self.api_url is not None and is_loopback(self.api_address.hostname or "")


def stack_file(project_dir: Path, name: str) -> Path:
    return project_dir / f"Pulumi.{name}.yaml"


def enclosing_project(directory: Path) -> Path | None:
    """The nearest folder with a Pulumi.yaml, from ``directory`` upwards."""
    return next((folder for folder in (directory, *directory.parents) if (folder / "Pulumi.yaml").is_file()), None)


def project_dir(directory: Path | None) -> Path:
    """The project's folder. Raises OpsError if it contains no Pulumi.yaml."""
    folder = (directory or default_project or CHECKOUT).resolve()
    if not (folder / "Pulumi.yaml").is_file():
        raise OpsError(
            f"{folder} is not a Pulumi project: it has no Pulumi.yaml. Specify the project's folder with --cwd.",
            ExitCode.USAGE,
        )
    return folder


def project_name(project_dir: Path) -> str:
    """The project's name in Pulumi.yaml. Raises OpsError if it has none."""
    try:
        return pulumi_project.project_name(project_dir)
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.SETTINGS) from error


def stack_names(project_dir: Path) -> list[str]:
    """The stacks that have a file, excluding templates, which have a dot in their names."""
    names = (path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in project_dir.glob("Pulumi.*.yaml"))
    return sorted(name for name in names if _STACK_NAME.fullmatch(name))


def find_stack(project_dir: Path, name: str) -> Stack:
    """The stack with that name. Raises OpsError if its file is invalid, UnknownNameError if it does not exist."""
    names = stack_names(project_dir)
    if name not in names:
        listed = ", ".join(names) or "none"
        raise UnknownNameError(
            f"There is no stack {name!r}: {project_dir} has no file Pulumi.{name}.yaml. Stacks: {listed}.", name
        )
    try:
        file = StackFile.read(config_file(project_dir, name))
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.SETTINGS) from error
    return Stack(project_dir, name, _with_built(file.config, project_dir, name), file.secrets_provider, file.salt or "")


def _with_built(config: Mapping[str, Any], project_dir: Path, name: str) -> Mapping[str, Any]:
    """The configuration with the images that were built for the stack. Raises OpsError if their file is damaged."""
    if not (project_dir / naming.built_images(name)).exists():
        return config  # importing the settings is slow, and most commands do not need them
    from infra.settings import SettingsError
    from infra.settings.built import with_built

    try:
        return with_built(config, project_dir, name)
    except SettingsError as error:
        raise OpsError(str(error), ExitCode.SETTINGS) from error


def settings_of(stack: Stack) -> FoundationSettings | EnvironmentSettings:
    """The stack's validated settings. Raises an OpsError that lists all problems."""
    from infra.settings import SettingsError, load_file

    try:
        return load_file(stack.config_file, stack.project_dir)
    except SettingsError as error:
        raise OpsError(f"{error}\nNothing was changed.", ExitCode.SETTINGS) from error
