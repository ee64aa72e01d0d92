"""What a promotion sends over the wire: of one changed app beside all, and within one registry beside two."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from benchmarks.measure import Ratio, Samples, Session, Target, print_table
from infra.settings import Image
from ops.images.copy import Copier, CopyStatistics
from ops.images.registry import Repository
from tests.support.local_scaleway import Server
from tests.support.oci import Oci, digest_of, make_namespace
from tests.support.seed import OWNER_SECRET_KEY

_APPS = ("api", "apiv2", "admin", "app")
_BASE_BYTES = 8_000_000
"""The layers that all versions of an app share: system, Node, packages."""
_OWN_BYTES = 500_000
"""The layer that a change of the app's code replaces."""
_MEGABYTE = 1_000_000


def run(session: Session) -> None:
    samples = {name: Samples() for name in ("all", "one", "again", "mounted")}
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as folder, Server(Path(folder) / "data") as server:
        for number in range(session.rounds):
            _round(server, number, samples)
    print_table(
        [
            Ratio("bytes sent, one app changed beside a first promotion", samples["one"], samples["all"],
                  Target(1 / len(_APPS)), "MB"),
            Ratio("bytes sent, the same promotion again", samples["again"], samples["all"], Target(0), "MB"),
            Ratio("bytes sent within one registry, which takes layers over", samples["mounted"], samples["all"],
                  Target(0.01), "MB", 3),
        ],
        "this",
        "all new",
    )  # fmt: skip


def _round(server: Server, number: int, samples: dict[str, Samples]) -> None:
    """In registries of its own; layers are new ones, or an earlier round would have left them."""
    port = server.url.rpartition(":")[2]
    names = [f"snu-{kind}-{number}" for kind in ("ci", "stage", "beside")]
    for name in names:
        make_namespace(server.client(), name)
    source, target, beside = names
    oci = Oci(server.url)
    first = {app: _push(oci, f"{source}/{app}", "1", number) for app in _APPS}
    # Two names of this machine are two registries.
    elsewhere = f"localhost:{port}/{target}"
    samples["all"].add(_sent(f"127.0.0.1:{port}/{source}", elsewhere, first))
    second = {**first, "api": _push(oci, f"{source}/api", "2", number)}
    samples["one"].add(_sent(f"127.0.0.1:{port}/{source}", elsewhere, second))
    samples["again"].add(_sent(f"127.0.0.1:{port}/{source}", elsewhere, second))
    samples["mounted"].add(_sent(f"localhost:{port}/{source}", f"localhost:{port}/{beside}", first))


def _push(oci: Oci, name: str, version: str, number: int) -> Image:
    base = random.Random(f"{name} {number}").randbytes(_BASE_BYTES)
    own = random.Random(f"{name} {version} {number}").randbytes(_OWN_BYTES)
    return Image(version=version, digest=digest_of(oci.push(name, version, base, own)))


def _sent(source: str, target: str, images: dict[str, Image]) -> float:
    """Megabytes, counted at the client."""
    copied = [_copied(f"{source}/{app}", f"{target}/{app}", image) for app, image in images.items()]
    return sum(each.sent for each in copied) / _MEGABYTE


def _copied(source: str, target: str, image: Image) -> CopyStatistics:
    return Copier(Repository(source, OWNER_SECRET_KEY), Repository(target, OWNER_SECRET_KEY)).copy(image)
