"""Both engines on the stacks of one project folder, with a local Scaleway of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.project import Project
from tests.support.pulumi_cli import Cli, Embedded


@dataclass
class Pair:
    """What the cloud holds and the state can be kept in a folder and put back, as often as needed."""

    project: Project
    cli: Cli
    embedded: Embedded

    @classmethod
    def of(cls, project: Project, home: Path) -> Self:
        """``home`` is the real CLI's own folder."""
        Path(project.backend_url.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
        return cls(
            project,
            Cli(project.directory, home, project.backend_url),
            Embedded(project.directory, project.backend_url),
        )

    @property
    def _kept(self) -> list[Path]:
        local = self.project.directory / ".local"
        return [local / "scaleway", local / "state"]

    def save(self, folder: Path) -> None:
        """Copy cloud and state; the cloud has to be stopped."""
        for path in self._kept:
            shutil.copytree(path, folder / path.name)

    @staticmethod
    def forget(folder: Path) -> None:
        """Remove what ``save`` copied, if it did."""
        shutil.rmtree(folder, ignore_errors=True)

    def load(self, folder: Path) -> None:
        """Put back what ``save`` copied."""
        for path in self._kept:
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(folder / path.name, path)

    @contextmanager
    def cloud(self) -> Iterator[None]:
        """The local Scaleway, up for as long as the block lasts."""
        self.project.start_cloud()
        try:
            yield
        finally:
            self.project.stop_cloud()
