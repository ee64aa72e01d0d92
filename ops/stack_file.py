"""Edits a stack's committed file while preserving its comments, order and quotes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from pulumi_state.errors import PulumiError
from pulumi_state.stack_file import StackFile
from pulumi_state.yaml_file import reads_as_written

if TYPE_CHECKING:
    from ruamel.yaml.representer import RoundTripRepresenter

    from infra.settings import Image

_WIDTH = 4096
"""Wide enough that no line is wrapped."""


def write_images(file: Path, images: Mapping[str, Image]) -> bool:
    """Set these images in ``snu:images`` and keep the others; returns whether the file changed. Raises OpsError."""
    return edit(file, put_images(images))


def put_images(images: Mapping[str, Image]) -> Callable[[Any], None]:
    """A change for ``edit`` that sets images."""

    def change(config: Any) -> None:
        written = config.setdefault("snu:images", {})
        for name, image in images.items():
            written.setdefault(name, {}).update(image.model_dump())

    return change


def edit(file: Path, change: Callable[[Any], None]) -> bool:
    """Apply ``change`` to the mapping under ``config``; returns whether the file changed. Raises OpsError."""
    before = _read(file)
    after = edited(before, change)
    if after == before:
        return False
    try:
        file.write_text(after, encoding="utf-8")
    except OSError as error:
        raise OpsError(f"{file} cannot be written: {error.strerror}", ExitCode.FAILED) from error
    return True


def add_salt(file: Path, salt: str) -> None:
    """Add ``encryptionsalt`` to a file that has none. Raises OpsError."""
    text = _read(file)
    try:
        file.write_text(f"{text.rstrip()}\nencryptionsalt: {salt}\n", encoding="utf-8")
    except OSError as error:
        raise OpsError(f"{file} cannot be written: {error.strerror}", ExitCode.FAILED) from error


def edited(text: str, change: Callable[[Any], None]) -> str:
    """The content of a stack's file after applying ``change`` to the mapping under ``config``."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.Representer = _representer()
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    change(document["config"])
    written = io.StringIO()
    yaml.dump(document, written)
    return written.getvalue()


def _representer() -> type[RoundTripRepresenter]:
    """A representer that writes no anchors and quotes every string that a YAML parser might read as another type."""
    from ruamel.yaml.representer import RoundTripRepresenter

    class Representer(RoundTripRepresenter):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def represent(representer: Any, text: str) -> Any:
        style = None if reads_as_written(text) else '"'
        return representer.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Representer.add_representer(str, represent)
    return Representer


def _read(file: Path) -> str:
    try:
        StackFile.read(file)
        return file.read_text(encoding="utf-8")
    except (OSError, PulumiError) as error:
        raise OpsError(str(error), ExitCode.SETTINGS) from error
