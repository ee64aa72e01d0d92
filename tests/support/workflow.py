"""Runs the command lines of the workflows as GitHub would, in their order: steps with `run`, not actions.

And says which jobs an event starts, and what each of them waits for.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.environment import ROOT, clean_environment

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
_COMPARISON = re.compile(r"(?P<left>[\w.]+) (?P<operator>==|!=) (?:'(?P<text>[^']*)'|(?P<right>[\w.]+))")


def read(text: str) -> dict[str, Any]:
    """A workflow; its events are a mapping in every case."""
    workflow: dict[Any, Any] = yaml.safe_load(text)
    events = workflow.pop(True)  # `on` is a truth value in YAML 1.1
    if isinstance(events, str):
        events = [events]
    return workflow | {"on": events if isinstance(events, dict) else dict.fromkeys(events)}


def is_met(condition: str, known: Mapping[str, str]) -> bool:
    """Whether an `if` of comparisons, joined by `&&`, holds. Raises ValueError for other expressions."""
    return all(_compared(term, known) for term in condition.split(" && "))


def _compared(term: str, known: Mapping[str, str]) -> bool:
    found = _COMPARISON.fullmatch(term)
    if found is None:
        raise ValueError(f"not a comparison: {term}")
    right = found["text"] if found["right"] is None else known[found["right"]]
    return (known[found["left"]] == right) is (found["operator"] == "==")


@cache
def _workflows() -> list[tuple[Path, dict[str, Any]]]:
    return [(path, read(path.read_text())) for path in WORKFLOWS]


@dataclass(frozen=True)
class Job:
    """A job that an event starts."""

    workflow: str
    name: str
    commands: tuple[str, ...]
    group: str | None
    """In which at most one runs, and one more waits: GitHub cancels one that waits when another one comes."""
    cancels_running: bool


def started_by(event: str, action: str, known: Mapping[str, str]) -> Iterator[Job]:
    """The jobs without `needs` that an event starts, with the groups of their own or of their workflows."""
    for path, workflow in _workflows():
        if event not in workflow["on"] or action not in (workflow["on"][event] or {}).get("types", ()):
            continue
        for name, job in workflow["jobs"].items():
            if "needs" in job or ("if" in job and not is_met(job["if"], known)):
                continue
            concurrency = job.get("concurrency") or workflow.get("concurrency") or {}
            group = concurrency.get("group")
            yield Job(
                path.stem,
                name,
                tuple(str(step["run"]) for step in job["steps"] if "run" in step),
                group and _filled(group, known),
                bool(concurrency.get("cancel-in-progress")),
            )


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
            if done[-1].status != 0 and not step.get("continue-on-error"):
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
