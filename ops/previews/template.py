"""`Pulumi.preview.template.yaml`: the stack file of every preview environment."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.previews import names
from ops.stacks import stack_file
from pulumi_state.errors import PulumiError
from pulumi_state.stack_file import StackFile

FILE = "Pulumi.preview.template.yaml"
PLACEHOLDER = "${name}"
_SALT = "encryptionsalt:"


@dataclass(frozen=True)
class Template:
    """A stack file in which ``${name}`` is a placeholder for the environment's name."""

    project_dir: Path
    text: str
    config: dict[str, Any]

    @classmethod
    def read(cls, project_dir: Path) -> Template:
        """Raises OpsError if it is missing or is not a template for preview environments."""
        path = project_dir / FILE
        try:
            config = dict(StackFile.read(path).config)
            text = path.read_text(encoding="utf-8")
        except (OSError, PulumiError) as error:
            raise OpsError(f"{error}\nNothing was changed.", ExitCode.SETTINGS) from None
        identity = config.get("snu:environment")
        if not isinstance(identity, dict):
            raise _refused("snu:environment is missing")
        if identity.get("name") != PLACEHOLDER or not isinstance(identity.get("previewOf"), str):
            raise _refused(
                f"snu:environment has name {identity.get('name')} and previewOf {identity.get('previewOf')}; "
                f"expected name {PLACEHOLDER} and the parent environment as previewOf"
            )
        return cls(project_dir, text, config)

    @property
    def parent(self) -> str:
        """The parent environment's name."""
        return str(self.config["snu:environment"]["previewOf"])

    @property
    def zone(self) -> str | None:
        """The DNS zone of the preview records."""
        zone = self.config.get("snu:zone")
        return zone if isinstance(zone, str) else None

    @property
    def _apps(self) -> dict[str, Any]:
        apps = self.config.get("snu:apps")
        return apps if isinstance(apps, dict) else {}

    @property
    def longest_name(self) -> int:
        """Maximum length of a preview environment's name in characters. Raises OpsError if that is too short."""
        try:
            return names.longest_name([str(app) for app in self._apps])
        except ValueError as error:
            raise _refused(str(error)) from None

    def preview_of_host(self, host: str) -> str | None:
        """The preview environment that is part of a host name; None if there is none."""
        hosts = [app["host"] for app in self._apps.values() if isinstance(app, dict) and "host" in app]
        for before, placeholder, after in (str(pattern).partition(PLACEHOLDER) for pattern in hosts):
            name = host.removeprefix(before).removesuffix(after)
            if placeholder and host == f"{before}{name}{after}" and names.is_preview(name):
                return name
        return None

    def file(self, name: str) -> Path:
        """Path of a preview environment's stack file, which is ignored by Git."""
        return stack_file(self.project_dir, name)

    def write(self, name: str, salt: str | None) -> None:
        """Write a preview environment's stack file unless it is already up to date.

        ``salt`` is the encryption salt of the environment's state; if None, the existing file's salt is kept. Raises
        OpsError without writing anything if the existing file does not belong to a preview environment.
        """
        path = self.file(name)
        existing = path.read_text(encoding="utf-8") if path.exists() else None
        if existing is not None:
            self._require_preview(path, existing)
        try:
            text = string.Template(self.text).substitute(name=name)
        except (KeyError, ValueError) as error:
            raise _refused(f"{error} is not a placeholder; use {PLACEHOLDER}, or `$$` for a dollar sign") from None
        kept = [line for line in (existing or "").splitlines() if line.startswith(_SALT)]
        line = f"{_SALT} {salt}" if salt else next(iter(kept), "")
        if line and f"\n{_SALT}" not in text:
            text = f"{text.rstrip()}\n{line}\n"
        if text != existing:
            path.write_text(text, encoding="utf-8")

    def _require_preview(self, path: Path, text: str) -> None:
        try:
            identity = StackFile.parse(text, path.name).config.get("snu:environment")
            parent = identity.get("previewOf") if isinstance(identity, dict) else None
            problem = f"previewOf is {parent or 'missing'}"
        except PulumiError as error:
            parent, problem = None, f"it is invalid ({error})"
        if parent != self.parent:
            raise OpsError(
                f"{path.name} is not a preview stack file for {self.parent}: {problem}. Nothing was changed. "
                "Delete the file if it is no longer needed.",
                ExitCode.SETTINGS,
            )


def _refused(problem: str) -> OpsError:
    return OpsError(f"{FILE}: {problem}. Nothing was changed.", ExitCode.SETTINGS)
