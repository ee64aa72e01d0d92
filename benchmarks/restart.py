"""After a crash: how long until the api answers again, and how much fails meanwhile.

An api that needs a while to boot runs in the local Scaleway, started again by PM2 inside of its container or by the
platform, with one instance or two, with a startup probe or without. Clients ask all the time.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from benchmarks.measure import Session
from tests.support.base_images import build, node_image
from tests.support.docker import Engine, running_engine
from tests.support.local_scaleway import Server
from tests.support.site import Deployed, Site

_PM2 = "7.0.4"
_EVERY_SECONDS = 0.2
"""Between two requests of a variant's clients."""
_PATIENCE_SECONDS = 5.0
_SIDE_BY_SIDE = 4
_AFTER_SECONDS = 3.0
"""How long clients go on after the api is well again."""
_NAME_WIDTH = 62

_SCRIPT = """
const http = require("node:http");
const boot = Number(process.env.BOOT) * 1000;
const begun = Date.now();
const server = http.createServer((request, response) => {
  if (Date.now() - begun < boot) response.statusCode = 503;
  response.end(process.env.HOSTNAME);
  if (request.url === "/crash") process.exit(1);
});
const listen = () => server.listen(Number(process.env.PORT));
process.env.LISTENS === "at once" ? listen() : setTimeout(listen, boot);
process.on("SIGTERM", () => process.exit(0));
"""


@dataclass(frozen=True)
class Variant:
    """One way to run the api."""

    keeper: str
    """Who starts it again: ``PM2`` or ``platform``."""
    instances: int
    probed: bool
    """Whether it has a startup probe."""
    listens_at_once: bool
    """It listens while it boots, and answers 503; otherwise it listens when it has booted."""

    @property
    def name(self) -> str:
        listens = "listens at once" if self.listens_at_once else "listens when booted"
        probe = "startup probe" if self.probed else "no startup probe"
        return f"{self.keeper:<8}  {listens:<19}  {probe:<16}  min_scale {self.instances}"

    @property
    def slug(self) -> str:
        return f"{self.keeper}-{self.instances}-{self.probed}-{self.listens_at_once}".lower()


VARIANTS = [
    Variant(keeper, instances, probed, listens)
    for listens in (False, True)
    for keeper in ("PM2", "platform")
    for probed in (False, True)
    for instances in (1, 2)
]


@dataclass
class Outage:
    """What clients saw of one crash. Times in seconds."""

    back_after: list[float] = field(default_factory=list)
    """From the crash until nothing failed any more."""
    gap: list[float] = field(default_factory=list)
    """The longest time without a good answer."""
    failed: list[int] = field(default_factory=list)
    """Requests until then that got no good answer."""
    asked: list[int] = field(default_factory=list)
    """Requests until then."""


def run(session: Session) -> None:
    """The shortest round has one variant of each keeper, which between them have every other setting."""
    variants = [VARIANTS[0], VARIANTS[-1]] if session.smoke else VARIANTS
    with running_engine() as engine, _site(engine) as (site, images):
        outages = asyncio.run(_measure(site, images, variants, session.rounds, session.boot))
    _print(outages, session.boot)


@contextmanager
def _site(engine: Engine) -> Iterator[tuple[Site, dict[str, str]]]:
    """A local Scaleway, and the image of each keeper in its registry."""
    images = _build(engine)
    with (
        tempfile.TemporaryDirectory(prefix="snu-bench-") as folder,
        Server(Path(folder) / "data", "--runtime", "docker", environ=engine.environ) as server,
    ):
        site = Site(server.client(), engine, images["platform"])
        yield site, {"platform": site.image, "PM2": site.push(images["PM2"], "snu-test/pm2")}


def _build(engine: Engine) -> dict[str, str]:
    base = node_image(engine)
    alone = f"""
        FROM {base}
        COPY api.js /app/api.js
        USER 1000
        CMD ["node", "/app/api.js"]
    """
    with_pm2 = f"""
        FROM {base}
        WORKDIR /app
        RUN npm install --no-save pm2@{_PM2}
        COPY api.js /app/api.js
        ENV PM2_HOME=/tmp/pm2
        USER 1000
        CMD ["/app/node_modules/.bin/pm2-runtime", "/app/api.js"]
    """
    files = {"api.js": _SCRIPT}
    return {
        "platform": build(engine, alone, files, "snu-bench/restart:1"),
        "PM2": build(engine, with_pm2, files, "snu-bench/restart-pm2:1"),
    }


async def _measure(
    site: Site, images: dict[str, str], variants: list[Variant], rounds: int, boot: float
) -> dict[Variant, Outage]:
    """Variants side by side, but not so many that they disturb each other. Every round has new instances."""
    outages = {variant: Outage() for variant in variants}
    made = [(variant, site.create(variant.slug, **_settings(variant, images, boot))) for variant in variants]
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=site.api.url, timeout=_PATIENCE_SECONDS, limits=limits) as client:
        for number in range(rounds):
            for _, container in made:
                if number:
                    site.api("POST", f"{container.path}/redeploy", {})
            for _, container in made:
                await asyncio.to_thread(_ready, container, boot)
            print(f"round {number + 1}: {len(made)} variants are up, now each crashes", flush=True)
            for start in range(0, len(made), _SIDE_BY_SIDE):
                some = made[start : start + _SIDE_BY_SIDE]
                await asyncio.gather(
                    *(_crash(client, container, outages[variant], boot) for variant, container in some)
                )
    return outages


def _settings(variant: Variant, images: dict[str, str], boot: float) -> dict[str, Any]:
    probe = {"http": {"path": "/"}, "interval": "1s", "timeout": "1s", "failure_threshold": int(boot * 4) + 30}
    return {
        "image": images[variant.keeper],
        "min_scale": variant.instances,
        "environment_variables": {"BOOT": f"{boot:g}", "LISTENS": "at once" if variant.listens_at_once else ""},
        "startup_probe": probe if variant.probed else None,
        "timeout": "10s",
        "mvcpu_limit": 1_000,
    }


def _ready(container: Deployed, boot: float) -> None:
    """Until it is ready, and then until every instance has booted, which the platform does not always know."""
    found = container.settled(boot * 4 + 120)
    if found["status"] != "ready":
        raise RuntimeError(f"{found['name']} does not run: {found['error_message']}")
    until, good = time.monotonic() + boot * 4 + 120, 0
    while good < 10:
        good = good + 1 if container.get().status_code == 200 else 0
        if time.monotonic() > until:
            raise RuntimeError(f"{found['name']} does not answer")
        time.sleep(0.05)


async def _crash(client: httpx.AsyncClient, container: Deployed, outage: Outage, boot: float) -> None:
    answers: list[tuple[float, float, bool]] = []
    """When it was asked, when it was answered, and whether well."""
    asking: set[asyncio.Task[None]] = set()

    async def ask() -> None:
        asked = time.monotonic()
        try:
            response = await client.get("/", headers={"Host": container.host})
            good = response.status_code == 200
        except httpx.HTTPError:
            good = False
        answers.append((asked, time.monotonic(), good))

    crashed = time.monotonic()
    with suppress(httpx.HTTPError):
        await client.get("/crash", headers={"Host": container.host})
    until = crashed + boot + _AFTER_SECONDS
    give_up = crashed + boot * 4 + 120
    while time.monotonic() < until:
        task = asyncio.create_task(ask())
        asking.add(task)
        task.add_done_callback(asking.discard)
        await asyncio.sleep(_EVERY_SECONDS)
        if answers and not answers[-1][2]:
            until = min(max(until, answers[-1][1] + _AFTER_SECONDS), give_up)
    await asyncio.gather(*asking)
    _judge(sorted(answers), crashed, outage)


def _judge(answers: list[tuple[float, float, bool]], crashed: float, outage: Outage) -> None:
    failed = [asked for asked, _, good in answers if not good]
    well = [answered for asked, answered, good in answers if good and (not failed or asked > failed[-1])]
    back = well[0] if failed else crashed
    during = [good for asked, _, good in answers if asked <= back]
    good_times = [crashed, *sorted(answered for _, answered, good in answers if good)]
    outage.back_after.append(back - crashed)
    outage.gap.append(max(later - earlier for earlier, later in pairwise(good_times)))
    outage.failed.append(during.count(False))
    outage.asked.append(len(during))


def _print(outages: dict[Variant, Outage], boot: float) -> None:
    print(f"\nAn api that boots in {boot:g} s crashes; medians; the requests are those until nothing failed any more.")
    print(f"{'':<{_NAME_WIDTH}}  {'all well after':>14}  {'longest gap':>11}  {'failed requests':>15}")
    for variant, outage in outages.items():
        back, gap = _median(outage.back_after), _median(outage.gap)
        failed = f"{_median(outage.failed):.0f} of {_median(outage.asked):.0f}"
        print(f"{variant.name:<{_NAME_WIDTH}}  {back:>12.1f} s  {gap:>9.1f} s  {failed:>15}")


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)
