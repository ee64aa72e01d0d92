"""A program that uses the components through their package beside the same program with the components imported."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import yaml

from benchmarks.measure import Ratio, Samples, Session, Skipped, Target, print_table
from infra.components.provider import COMPONENTS
from tests.lab.example import STACK, Example
from tests.support.programs import PULUMI
from tests.support.pulumi_cli import Cli

_TARGET = Target(2.0)
_SMALL, _ALL = "second-project", "components"
_ADAPTER = """import sys

sys.path.insert(0, {root!r})


def _as_in_sdk(component):
    return lambda name, **arguments: component(name, arguments)


"""
"""The start of a module with the name and the classes of the generated SDK, without the package."""


def run(session: Session) -> None:
    if not session.has("Pulumi CLI", PULUMI):
        raise Skipped("the package needs the Pulumi CLI")
    names = [_SMALL] if session.smoke else [_SMALL, _ALL]
    print_table([_compare(session, name) for name in names], "package", "imported")


def _compare(session: Session, name: str) -> Ratio:
    package, imported = Samples(), Samples()
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as folder:
        example = Example.copy(f"{name}/python", Path(folder))
        example.install()
        example.cloud.start_cloud()
        try:
            example.cli.init(STACK)
            up = example.cli.up(STACK)
            if not up.ok:
                raise SystemExit(f"pulumi up failed:\n{up.text}")
            direct = _without_package(example)
            for counts in session.turns():
                (package if counts else Samples()).time(_preview, example.cli)
                (imported if counts else Samples()).time(_preview, direct)
        finally:
            example.cloud.stop_cloud()
    return Ratio(f"no-change preview of examples/{name}, Python", package, imported, _TARGET)


def _preview(cli: Cli) -> None:
    """Both programs preview the same state, so that no change shows that they have the same resources."""
    ended = cli.preview(STACK, "--expect-no-changes")
    if not ended.ok:
        raise SystemExit(f"pulumi preview failed:\n{ended.text}")


def _without_package(example: Example) -> Cli:
    """Make the same program beside the example: it finds an adapter where the example finds the SDK."""
    folder = example.folder.parent / "imported"
    folder.mkdir()
    program = (example.folder / "__main__.py").read_text()
    (folder / "__main__.py").write_text(program)
    root = example.folder.parents[2]
    lines = [
        f"from infra.components.{each.__module__.rpartition('.')[2]} import {each.__name__}\n"
        f"{each.__name__} = _as_in_sdk({each.__name__})\n"
        for each in COMPONENTS
        if re.search(rf"\bsnu\.{each.__name__}\(", program)
    ]
    (folder / "pulumi_snu.py").write_text(_ADAPTER.format(root=str(root)) + "".join(lines))
    project = yaml.safe_load((example.folder / "Pulumi.yaml").read_text())
    del project["packages"]
    project["runtime"]["options"]["virtualenv"] = str(example.folder / "venv")
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    return example.cli.in_folder(folder)
