"""``snu local``: controls the local Scaleway."""

from __future__ import annotations

import shlex
import sys

from ops.confirm import confirm
from ops.exit_codes import ExitCode
from ops.local import LocalCloud, PortOwner
from ops.process_environment import process_environment
from ops.report.document import print_document
from ops.report.text import seconds


def start(cloud: LocalCloud, transitions: float | None, runtime: str, port: int | None) -> ExitCode:
    previous_port = cloud.port
    pid, started = cloud.start(transitions, runtime, port)
    if port is None and cloud.port != previous_port:
        print(
            f"Port {previous_port} is in use by another checkout's local Scaleway; this checkout now uses {cloud.port}."
        )
    result = "started" if started else "is already running"
    print(f"The local Scaleway {result}: {cloud.address}, process {pid}, log {cloud.log}")
    print(_runtime_line((cloud.find().health or {}).get("runtime")))
    return ExitCode.OK


def stop(cloud: LocalCloud) -> ExitCode:
    stopped = cloud.stop()
    print("The local Scaleway is stopped; its data is kept." if stopped else "The local Scaleway is not running.")
    return ExitCode.OK


def status(cloud: LocalCloud, *, as_json: bool = False) -> ExitCode:
    """Print whether the local Scaleway is running and how many resources of each kind it has."""
    port = cloud.find()
    if port.holder is PortOwner.NOBODY:
        if as_json:
            print_document("local status", {"running": False, "address": cloud.address})
        else:
            print(
                f"The local Scaleway is not running (address: {cloud.address}). Start it with: scripts/snu local start"
            )
        return ExitCode.LOCAL_CLOUD
    health = cloud.require().health or {}
    uptime, counts = health.get("uptime_seconds"), health.get("resources")
    resources = {kind: count for kind, count in sorted(counts.items()) if count} if isinstance(counts, dict) else {}
    if as_json:
        document = {
            "running": True,
            "address": cloud.address,
            "pid": port.pid,
            "uptimeSeconds": uptime,
            "data": cloud.data,
            "runtime": health.get("runtime"),
            "resources": resources,
        }
        print_document("local status", document)
        return ExitCode.OK
    print(f"The local Scaleway is running at {cloud.address}, process {port.pid}.")
    if isinstance(uptime, int | float):
        print(f"Up for {seconds(uptime)}; data in {cloud.data}")
    print(_runtime_line(health.get("runtime")))
    for kind, count in resources.items():
        print(f"  {count:>4}  {kind}")
    return ExitCode.OK


def _runtime_line(runtime: object) -> str:
    """A line that describes how the containers run, and why."""
    match runtime:
        case {"engine": "off", "why": why}:
            return f"No container processes are running: {why}."
        case {"why": why}:
            return f"Its containers run on {why}."
    return "It does not report how its containers run."


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
        confirm("Delete the local Scaleway's data and the state of the local stacks?")
    for line in cloud.reset(process_environment()):
        print(line)
    return ExitCode.OK


def env(cloud: LocalCloud) -> ExitCode:
    for name, value in cloud.exports(process_environment()).items():
        print(f"export {name}={shlex.quote(value)}")
    return ExitCode.OK
