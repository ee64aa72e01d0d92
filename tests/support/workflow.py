"""Runs the command lines of the workflows as GitHub would, in their order: steps with `run`, not actions."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.environment import ROOT, clean_environment

_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")


@dataclass(frozen=True)
class Step:
    """A step that was run."""

    line: str
    status: int
    output: str


class StepFailed(AssertionError):
    """A step has failed; the job ends with it."""

    def __init__(self, step: Step) -> None:
        super().__init__(f"{step.line}\n{step.output}")
        self.step = step


@dataclass
class Runner:
    """A runner with the repository checked out in a folder."""

    folder: Path
    environment: dict[str, str]
    values: dict[str, str] = field(default_factory=dict)
    """What expressions such as `github.token` stand for; secrets that are not here do not exist."""

    def run(self, workflow: str, job: str, **values: str) -> list[Step]:
        """The steps of a job. Raises StepFailed."""
        known = self.values | {key.replace("__", "."): value for key, value in values.items()}
        described = yaml.safe_load((ROOT / ".github/workflows" / f"{workflow}.yml").read_text())["jobs"][job]
        files = {name: self.folder / ".local" / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        done = []
        for step in described["steps"]:
            if "run" not in step:
                continue
            given = {**described.get("env", {}), **step.get("env", {})}
            environment = {name: text for name, value in given.items() if (text := _filled(str(value), known))}
            done.append(self._step(step["run"], environment | {name: str(path) for name, path in files.items()}))
            if done[-1].status != 0:
                raise StepFailed(done[-1])
        return done

    def _step(self, line: str, environment: Mapping[str, str]) -> Step:
        ended = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", line],
            cwd=self.folder,
            env=clean_environment(**self.environment, **environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return Step(line, ended.returncode, ended.stdout)


def _filled(text: str, known: Mapping[str, str]) -> str:
    """Empty where a secret is missing, as on GitHub."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        return known.get(name, "") if name.startswith("secrets.") else known[name]

    return _EXPRESSION.sub(value, text)


def prepare(folder: Path, python: str) -> dict[str, str]:
    """Programs that the workflows call: the command, a stand-in for `gh`, all tests. Gives the variables for them."""
    programs = {
        # In a checkout the command works on its own; `comment` works on none.
        "scripts/snu": f'[ "$1" = comment ] || set -- "$@" -C {folder}\nexec {python} -m ops "$@"',
        ".ci/run": "echo all tests",
        ".local/bin/gh": f'echo "$@" >> {folder}/.local/gh.log',
    }
    for name, text in programs.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return {"PATH": f"{folder}/.local/bin{os.pathsep}{os.environ['PATH']}"}


def outputs(folder: Path) -> dict[str, Any]:
    """What steps have written to `GITHUB_OUTPUT`."""
    lines = (folder / ".local/GITHUB_OUTPUT").read_text().splitlines()
    return dict(line.partition("=")[::2] for line in lines)
