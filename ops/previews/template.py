"""`Pulumi.preview.template.yaml`: what every preview environment of a project consists of."""

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
    """A stack's file in which ``${name}`` stands for the environment's name."""

    project_dir: Path
    text: str
    config: dict[str, Any]

    @classmethod
    def read(cls, project_dir: Path) -> Template:
        """Raises OpsError: not there, or no stack's file of preview environments."""
        path = project_dir / FILE
        try:
            config = dict(StackFile.read(path).config)
            text = path.read_text(encoding="utf-8")
        except (OSError, PulumiError) as error:
            raise OpsError(f"{error}\nNothing was changed.", ExitCode.SETTINGS) from None
        identity = config.get("snu:environment")
        if not isinstance(identity, dict):
            raise _refused("it has no snu:environment")
        if identity.get("name") != PLACEHOLDER or not isinstance(identity.get("previewOf"), str):
            raise _refused(
                f"its snu:environment has the name {identity.get('name')} and previewOf {identity.get('previewOf')}; "
                f"expected the name {PLACEHOLDER} and, as previewOf, the environment that it is a preview of"
            )
        return cls(project_dir, text, config)

    @property
    def parent(self) -> str:
        """The environment that they are previews of."""
        return str(self.config["snu:environment"]["previewOf"])

    @property
    def zone(self) -> str | None:
        """The DNS zone that has their records."""
        zone = self.config.get("snu:zone")
        return zone if isinstance(zone, str) else None

    @property
    def _apps(self) -> dict[str, Any]:
        apps = self.config.get("snu:apps")
        return apps if isinstance(apps, dict) else {}

    @property
    def longest_name(self) -> int:
        """Characters that a preview environment's name may have. Raises OpsError where that is too little."""
        try:
            return names.longest_name([str(app) for app in self._apps])
        except ValueError as error:
            raise _refused(str(error)) from None

    def preview_of_host(self, host: str) -> str | None:
        """The preview environment that a host name belongs to; None: to none."""
        hosts = [app["host"] for app in self._apps.values() if isinstance(app, dict) and "host" in app]
        for before, placeholder, after in (str(pattern).partition(PLACEHOLDER) for pattern in hosts):
            name = host.removeprefix(before).removesuffix(after)
            if placeholder and host == f"{before}{name}{after}" and names.is_preview(name):
                return name
        return None

    def file(self, name: str) -> Path:
        """Where the file of a preview environment is, which git ignores."""
        return stack_file(self.project_dir, name)

    def write(self, name: str, salt: str | None) -> None:
        """Write the file of a preview environment; one that says the same already is left alone.

        ``salt``: what the secrets in its state were encrypted with; without it, that of the present file is kept.
        Raises OpsError, and nothing is written, where the file is there and is no preview environment's.
        """
        path = self.file(name)
        present = path.read_text(encoding="utf-8") if path.exists() else None
        if present is not None:
            self._require_preview(path, present)
        try:
            text = string.Template(self.text).substitute(name=name)
        except (KeyError, ValueError) as error:
            raise _refused(f"{error} is no placeholder; it may have {PLACEHOLDER}, and `$$` for a dollar") from None
        kept = [line for line in (present or "").splitlines() if line.startswith(_SALT)]
        line = f"{_SALT} {salt}" if salt else next(iter(kept), "")
        if line and f"\n{_SALT}" not in text:
            text = f"{text.rstrip()}\n{line}\n"
        if text != present:
            path.write_text(text, encoding="utf-8")

    def _require_preview(self, path: Path, text: str) -> None:
        try:
            identity = StackFile.parse(text, path.name).config.get("snu:environment")
            found = identity.get("previewOf") if isinstance(identity, dict) else None
        except PulumiError as error:
            found = f"in a file that is refused ({error})"
        if found != self.parent:
            raise OpsError(
                f"{path.name} is no preview environment of {self.parent}: its previewOf is {found}. Nothing was "
                "changed. Remove the file if nobody needs it.",
                ExitCode.SETTINGS,
            )


def _refused(found: str) -> OpsError:
    return OpsError(f"{FILE}: {found}. Nothing was changed.", ExitCode.SETTINGS)
