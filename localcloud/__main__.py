"""The ``local-scaleway`` command, also available as ``python -m localcloud``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from localcloud.api.cloud import TRANSITION_SECONDS
from localcloud.api.errors import StartError
from localcloud.runtime.backoff import RESTART_DELAY


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="local-scaleway", description="Emulate part of Scaleway's HTTP API on this machine."
    )
    parser.add_argument(
        "--port", type=int, default=8421, help="port of the API (default: %(default)s; 0: any free port)"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder to store the state in")
    parser.add_argument(
        "--seed",
        type=Path,
        metavar="FILE",
        help="TOML file with the initial resources (default: an organization and its owner)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (default: %(default)s)")
    parser.add_argument(
        "--transitions",
        type=float,
        default=TRANSITION_SECONDS,
        metavar="SECONDS",
        help="duration of statuses such as creating (default: %(default)s)",
    )
    parser.add_argument(
        "--object-storage-port",
        type=int,
        metavar="PORT",
        help="port for object storage, which starts on demand (default: the API's port + 1; 0: off)",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="append each request (without secrets) and the structure of its response to this file",
    )
    parser.add_argument(
        "--runtime",
        choices=("auto", "docker", "off"),
        default="off",
        help="run containers with Docker: auto (if available), docker (required) or off (default: %(default)s)",
    )
    parser.add_argument(
        "--restart-delay",
        type=float,
        default=RESTART_DELAY,
        metavar="SECONDS",
        help="delay before the second restart of a crashing container; doubles with each further restart, up to 5 "
        "minutes (default: %(default)s)",
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
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _storage_port(given: int | None, port: int) -> int:
    """The port for object storage. The default is predictable, because Pulumi backend URLs contain it."""
    if given is not None:
        return given
    return port + 1 if port else 0


if __name__ == "__main__":
    sys.exit(main())
