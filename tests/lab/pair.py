"""A lab with both engines on its stacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.lab.lab import Lab
from tests.lab.project import Project
from tests.support.pulumi_cli import Cli, Embedded


@dataclass
class Pair(Lab):
    """Each case begins from a folder that was saved before."""

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

    def load(self, folder: Path) -> None:
        """Restore the cloud and the state only: the stacks' files are what a case changes."""
        self.restore(folder, stack_files=False)

    @contextmanager
    def cloud(self) -> Iterator[None]:
        """The local Scaleway, up for as long as the block lasts."""
        self.project.start_cloud()
        try:
            yield
        finally:
            self.project.stop_cloud()
