"""``python -m localcloud``: the local Scaleway."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from localcloud.api.errors import StartError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m localcloud", description="Scaleway's HTTP API on a laptop.")
    parser.add_argument("--port", type=int, default=8421, help="port of the API (0 = any free one)")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the state is kept")
    parser.add_argument(
        "--seed",
        type=Path,
        metavar="FILE",
        help="what it holds at its first start and after a reset, in TOML (default: an organization and its owner)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument(
        "--transitions",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="how long creating, updating, … last",
    )
    parser.add_argument(
        "--object-storage-port",
        type=int,
        metavar="PORT",
        help="port of the object storage, started when asked for (default: the API's + 1; 0 = off)",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="append each request without secrets, and the shape of its answer",
    )
    parser.add_argument(
        "--runtime",
        choices=("auto", "docker", "off"),
        default="off",
        help="what runs the containers: Docker, if an engine answers (auto) or in any case; off: nothing",
    )
    parser.add_argument(
        "--restart-delay",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long a container waits that has crashed twice; then twice that, and so on, up to 5 minutes",
    )
    arguments = parser.parse_args()
    from localcloud.server import Settings, serve

    try:
        serve(
            Settings(
                host=arguments.host,
                port=arguments.port,
                data=arguments.data.resolve(),
                transitions=max(0.0, arguments.transitions),
                object_storage_port=_storage_port(arguments.object_storage_port, arguments.port),
                seed=arguments.seed.resolve() if arguments.seed else None,
                record=arguments.record.resolve() if arguments.record else None,
                runtime=arguments.runtime,
                restart_delay=max(0.0, arguments.restart_delay),
            )
        )
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _storage_port(wanted: int | None, port: int) -> int:
    """A fixed one: states are found under an address that has it."""
    if wanted is not None:
        return wanted
    return port + 1 if port else 0


if __name__ == "__main__":
    sys.exit(main())
