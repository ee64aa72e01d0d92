"""On each of the project's stacks both engines plan and do the same: see ``tests/lab/comparison.py``.

From the first up through typical changes of the settings to the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import stacks as changes
from tests.lab.comparison import DESTROY, UP, Operation, compare, judge
from tests.lab.former_types import with_former_types
from tests.lab.stacks import GROUPS, Change, Stacks
from tests.support.pulumi_cli import needs_pulumi

pytestmark = needs_pulumi

_BOTH: dict[str, Change] = {"no change": changes.nothing, "protection switched": changes.switch_protection}
_FOUNDATION: dict[str, Change] = _BOTH | {
    "log retention": changes.new_retention,
    "environment added": changes.add_environment,
}
_ENVIRONMENT: dict[str, Change] = _BOTH | {
    "new image and memory": changes.new_image,
    "new host": changes.new_host,
    "app added": changes.add_app,
}


@dataclass
class Ground:
    """The stacks of one foundation, and what stands before a comparison: made when first needed, by the real engine."""

    foundation: str
    stacks: Stacks
    folder: Path

    @classmethod
    def make(cls, foundation: str, folder: Path, home: Path) -> Ground:
        ground = cls(foundation, Stacks.make(foundation, folder / "project", home), folder)
        with ground.stacks.cloud():
            ground.stacks.prepare(foundation)
        ground.stacks.save(folder / "nothing")
        return ground

    def before(self, stack: str) -> Path:
        """Where the stack's first up begins."""
        if stack == self.foundation:
            return self.folder / "nothing"
        founded = self.folder / "founded"
        if not founded.exists():
            self.stacks.load(self.standing(self.foundation))
            with self.stacks.cloud():
                self.stacks.fill_secrets(self.foundation)
            self.stacks.save(founded)
        return founded

    def standing(self, stack: str) -> Path:
        """Where the stack stands as its settings say."""
        return self._after(stack, f"{stack} stands", self.before(stack))

    def unprotected(self, stack: str) -> Path:
        standing = self.standing(stack)
        with self.stacks.project.edited(stack, changes.unprotect):
            return self._after(stack, f"{stack} stands unprotected", standing)

    def _after(self, stack: str, name: str, before: Path) -> Path:
        folder = self.folder / name
        if not folder.exists():
            self.stacks.load(before)
            with self.stacks.cloud():
                made = self.stacks.cli.up(stack)
                assert made.ok, made.text
            self.stacks.save(folder)
        return folder

    def judge(
        self, stack: str, case: str, before: Path, change: Change, operation: Operation = UP, *, ok: bool = True
    ) -> None:
        with self.stacks.project.edited(stack, change):
            judge(f"{stack}: {case}", compare(self.stacks, stack, before, operation, ok=ok))


def _group(foundation: str) -> pytest.MarkDecorator:
    """Keeps what is made once on one worker."""
    return pytest.mark.xdist_group(f"same-operations-{foundation}")


def _stacks(*, of_foundations: bool | None = None) -> list[Any]:
    """Foundation and stack of each test; all of them, or foundations only, or environments only."""
    return [
        pytest.param(foundation, stack, id=stack, marks=_group(foundation))
        for foundation, environments in GROUPS.items()
        for stack in [foundation, *environments]
        if of_foundations in (None, stack == foundation)
    ]


@pytest.fixture(scope="module")
def grounds() -> dict[str, Ground]:
    return {}


@pytest.fixture
def ground(
    foundation: str, grounds: dict[str, Ground], tmp_path_factory: pytest.TempPathFactory, pulumi_home: Path
) -> Ground:
    if foundation not in grounds:
        grounds[foundation] = Ground.make(foundation, tmp_path_factory.mktemp(foundation), pulumi_home)
    return grounds[foundation]


@pytest.mark.parametrize(("foundation", "stack"), _stacks())
def test_first_up(ground: Ground, stack: str) -> None:
    ground.judge(stack, "first up", ground.before(stack), changes.nothing)


@pytest.mark.parametrize("case", _FOUNDATION)
@pytest.mark.parametrize(("foundation", "stack"), _stacks(of_foundations=True))
def test_change_of_foundation(ground: Ground, stack: str, case: str) -> None:
    ground.judge(stack, case, ground.standing(stack), _FOUNDATION[case])


@pytest.mark.parametrize("case", _ENVIRONMENT)
@pytest.mark.parametrize(("foundation", "stack"), _stacks(of_foundations=False))
def test_change_of_environment(ground: Ground, stack: str, case: str) -> None:
    ground.judge(stack, case, ground.standing(stack), _ENVIRONMENT[case])


@pytest.mark.parametrize(("foundation", "stack"), _stacks())
def test_components_with_their_former_types(ground: Ground, stack: str) -> None:
    """A state that was written before there was a component package: nothing but the state changes."""
    ground.stacks.load(ground.standing(stack))
    assert with_former_types(ground.stacks, stack) > 0
    former = ground.folder / f"{stack} with former types"
    ground.stacks.save(former)
    ground.judge(stack, "former types", former, changes.nothing)
    for engine in (ground.stacks.cli, ground.stacks.embedded):
        ground.stacks.load(former)
        with ground.stacks.cloud():
            preview = engine.preview(stack)
        assert preview.changes.keys() == {"same"}, preview.text


@pytest.mark.parametrize(("foundation", "stack"), _stacks(of_foundations=False))
def test_app_removed(ground: Ground, stack: str) -> None:
    ground.judge(stack, "app removed", ground.unprotected(stack), changes.remove_app)


@pytest.mark.parametrize(("foundation", "stack"), _stacks())
def test_destroy(ground: Ground, stack: str) -> None:
    ground.judge(stack, "destroy", ground.unprotected(stack), changes.unprotect, DESTROY)
