"""What the commands on the local Scaleway do."""

from __future__ import annotations

import shlex
import sys

from ops.confirm import confirm
from ops.exit_codes import ExitCode
from ops.local import LocalCloud, PortOwner
from ops.process_environment import process_environment


def start(cloud: LocalCloud, transitions: float | None, runtime: str) -> ExitCode:
    pid, started = cloud.start(transitions, runtime)
    what = "started" if started else "already runs"
    print(f"The local Scaleway {what}: {cloud.address}, process {pid}, log {cloud.log}")
    print(_runtime((cloud.find().health or {}).get("runtime")))
    return ExitCode.OK


def stop(cloud: LocalCloud) -> ExitCode:
    stopped = cloud.stop()
    print("The local Scaleway is stopped; what it holds is kept." if stopped else "The local Scaleway does not run.")
    return ExitCode.OK


def status(cloud: LocalCloud) -> ExitCode:
    found = cloud.find()
    if found.holder is PortOwner.NOBODY:
        print(f"The local Scaleway does not run; it would listen at {cloud.address}.")
        return ExitCode.LOCAL_CLOUD
    health = cloud.require().health or {}
    print(f"The local Scaleway runs at {cloud.address}, process {found.pid}.")
    if isinstance(uptime := health.get("uptime_seconds"), int | float):
        print(f"Up for {uptime:.0f} seconds; data in {cloud.data}")
    print(_runtime(health.get("runtime")))
    resources = health.get("resources")
    if isinstance(resources, dict):
        for kind, count in sorted(resources.items()):
            if count:
                print(f"  {count:>4}  {kind}")
    return ExitCode.OK


def _runtime(told: object) -> str:
    """What runs the containers, and why."""
    match told:
        case {"engine": "off", "why": why}:
            return f"No process runs behind its containers: {why}."
        case {"why": why}:
            return f"Its containers run on {why}."
    return "It does not say what runs its containers."


def logs(cloud: LocalCloud, *, follow: bool, lines: int) -> ExitCode:
    for line in cloud.last_lines(lines):
        print(line)
    if follow:
        sys.stdout.flush()
        for line in cloud.follow():
            sys.stdout.write(line)
            sys.stdout.flush()
    return ExitCode.OK


def reset(cloud: LocalCloud, *, yes: bool) -> ExitCode:
    if not yes:
        confirm("Empty the local Scaleway and forget the state of the local stacks?")
    for line in cloud.reset(process_environment()):
        print(line)
    return ExitCode.OK


def env(cloud: LocalCloud) -> ExitCode:
    for name, value in cloud.exports(process_environment()).items():
        print(f"export {name}={shlex.quote(value)}")
    return ExitCode.OK
