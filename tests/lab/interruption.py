"""Kills runs of the command, or the local Scaleway under them, and looks at what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.lab import Lab, Run
from tests.support.environment import clean_environment
from tests.support.forks import forked_for
from tests.support.processes import is_running

_GIVE_UP_SECONDS = 120.0
_POLL_SECONDS = 0.01


@dataclass
class Victim:
    """A run of the command in a session of its own."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, lab: Lab, *words: str, environment: Mapping[str, str] | None = None) -> Victim:
        directory = lab.project.directory
        process = subprocess.Popen(
            [sys.executable, "-m", "ops", *words, "-C", str(directory)],
            cwd=directory,
            env=clean_environment(**{"PYTHONUNBUFFERED": "1", **(environment or {})}),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return cls(process)

    @property
    def output(self) -> Iterator[str]:
        """Its lines, as they come."""
        assert self.process.stdout is not None
        return iter(self.process.stdout)

    @property
    def pid(self) -> int:
        """Of the command itself."""
        return forked_for(self.process.pid) or self.process.pid

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def family(self) -> dict[int, str]:
        """The process and all that it has started, with the first 15 characters of each program's name."""
        return {pid: _program(pid) for pid in (self.process.pid, *_descendants(self.process.pid))}

    def kill(self, name: str = "") -> None:
        """End the process and all that it has started, at once; with a ``name``, first those that are called so.

        Returns when none of them runs any more.
        """
        family = self.family
        first = [pid for pid, program in family.items() if name and program == name]
        for pid in [*first, *family]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate()
        while any(is_running(pid) for pid in family):
            time.sleep(_POLL_SECONDS)

    def signal_all(self, number: signal.Signals) -> None:
        """To the process and all that it has started."""
        for pid in self.family:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait(self) -> Run:
        """Until it ends by itself."""
        output, _ = self.process.communicate(timeout=_GIVE_UP_SECONDS)
        return subprocess.CompletedProcess(self.process.args, self.process.returncode, output, "")


def _descendants(pid: int) -> Iterator[int]:
    """What a process has started, and what was forked in its place."""
    if (forked := forked_for(pid)) is not None:
        yield forked
        yield from _descendants(forked)
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from _descendants(int(child))


def _program(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


@dataclass(frozen=True)
class Hold:
    """The local Scaleway lets so many requests of a run pass, and none after them."""

    lab: Lab
    rule: str

    @classmethod
    def after(cls, requests: int, lab: Lab, *, method: str = "", when: str = "before") -> Hold:
        """``method``: only these requests are counted and held; ``when``: as the fault's parameter."""
        match = {"method": method} if method else {}
        return cls(lab, lab.fault("hold", skip=requests, when=when, match=match))

    def await_request(self, victim: Victim | None = None) -> None:
        """Until a request is held; fails when the run ends before."""
        deadline = time.monotonic() + _GIVE_UP_SECONDS
        while not self._struck():
            assert victim is None or not victim.ended, f"it ended before it was held:\n{victim.wait().stdout}"
            assert time.monotonic() < deadline, "nothing was held"
            time.sleep(_POLL_SECONDS)

    def _struck(self) -> int:
        rules = self.lab.ask("GET", "/_local/faults")["faults"]
        return sum(rule["struck"] for rule in rules if rule["id"] == self.rule)


def pending(lab: Lab, stack: str) -> list[tuple[str, str]]:
    """Operation and resource's name of what is pending in the state; none where there is no state yet."""
    if not lab.state_file(stack).exists():
        return []
    found = lab.state(stack).get("pending_operations") or []
    return [(each["type"], each["resource"]["urn"].rpartition("::")[2]) for each in found]


def check_pending(lab: Lab, stack: str, *, deleting: bool) -> None:
    """Pending operations are what Pulumi writes, of nothing that the state says is done."""
    if not lab.state_file(stack).exists():
        return
    state = lab.state(stack)
    known = {(each["urn"], each.get("id")) for each in state.get("resources") or [] if not each.get("delete")}
    for operation in state.get("pending_operations") or []:
        resource, type_ = operation["resource"], operation["type"]
        identity = (resource["urn"], resource.get("id"))
        assert set(operation) == {"resource", "type"}
        if deleting:
            assert type_ == "deleting"
            assert identity in known, f"{identity} is being deleted and not in the state"
        else:
            assert type_ == "creating", type_
            assert not resource.get("id"), "what is being created has no id yet"
            assert resource["urn"] not in {urn for urn, _ in known}, f"{identity} is there and being created"


def ids(lab: Lab, stack: str) -> set[str]:
    """Ids of the resources in the state, without their regions and zones."""
    found = lab.state(stack).get("resources") or []
    return {str(each["id"]).rpartition("/")[2] for each in found if each.get("custom") and each.get("id")}


def made(lab: Lab) -> dict[str, list[dict[str, Any]]]:
    """What the local Scaleway holds beyond what it starts with."""
    found: dict[str, list[dict[str, Any]]] = lab.ask("GET", "/_local/resources?seed=false")
    return found


def census(lab: Lab) -> dict[str, int]:
    """How many of each kind."""
    return {kind: len(resources) for kind, resources in made(lab).items()}
