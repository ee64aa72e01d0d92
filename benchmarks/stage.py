"""Stack ``stage`` on its foundation: the embedded engine, the Pulumi CLI, and Terraform with the same resources.

Each engine runs once unmeasured, so that what is kept between runs is there. Each cell begins with a local Scaleway
on which the foundation is up and the environment is not: its first up is timed, and then a preview that finds no
change. Engines and delays take turns.
"""

from __future__ import annotations

import base64
import itertools
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
import yaml

from benchmarks import terraform
from benchmarks.latency_proxy import LatencyProxy
from benchmarks.measure import Ratio, Samples, Session, Target, print_table
from ops.engines.program.process import Program
from ops.exit_codes import ExitCode
from pulumi_state.passphrase import Crypter
from pulumi_state.snapshot import ResourceState
from pulumi_state.state_file import StateFile
from tests.lab.project import Project, copy_project
from tests.support.environment import clean_environment
from tests.support.programs import PULUMI
from tests.support.pulumi_cli import PASSPHRASE, Cli, Embedded
from tests.support.seed import DOCUMENT, ORGANIZATION, OWNER_SECRET_KEY, REGION
from tests.support.stack_yaml import stack_yaml
from tests.support.terraform import PROGRAMS
from tests.support.terraform import Terraform as _Terraform

STACK = "stage"
FOUNDATION = "foundation-stage"
IMPORTS = "import pulumi, pulumiverse_scaleway.containers"

_DELAYS = (0.0, 0.1)
_PROVIDER_SLEEP = 5.0
"""The real provider sleeps so long before it makes a container's domain, whatever the answers say; for all at once."""
_PREVIEW_TARGETS = {"embedded engine": 1.3, "Pulumi CLI through snu": 1.5}
_FIRST_UP_TARGETS = {"embedded engine": 1.3, "Pulumi CLI through snu": 1.3}
"""At most so many times Terraform's time, with each answer delayed; of the first up without the provider's sleep."""


class Engine(Protocol):
    name: str

    def reset(self) -> None:
        """Make ready for a first up; not timed."""

    def up(self) -> None: ...

    def preview(self) -> bool:
        """Whether there is a change."""


class EmbeddedEngine:
    name = "embedded engine"
    option = "embedded"

    def __init__(self, project: Project, **environment: str) -> None:
        self._project = project
        self._environment = environment

    def reset(self) -> None:
        pass

    def up(self) -> None:
        self._snu(ExitCode.OK, "up", STACK, "--yes", "--skip-preview")

    def preview(self) -> bool:
        return self._snu(ExitCode.CHANGES, "preview", STACK, "--expect-no-changes") == ExitCode.CHANGES

    def _snu(self, allowed: int, *arguments: str) -> int:
        ended = self._project.snu(*arguments, "--engine", self.option, **self._environment)
        if ended.returncode not in (0, allowed):
            raise SystemExit(f"snu {' '.join(arguments)} failed:\n{ended.stdout}{ended.stderr}")
        return ended.returncode


class PulumiCliThroughSnu(EmbeddedEngine):
    name = "Pulumi CLI through snu"
    option = "pulumi"

    def __init__(self, project: Project, home: Path) -> None:
        super().__init__(project, PULUMI_HOME=str(home))
        self._cli = Cli(project.directory, home, project.backend_url)

    def reset(self) -> None:
        self._cli.init(STACK)


class PulumiCli:
    name = "Pulumi CLI"

    def __init__(self, project: Project, home: Path) -> None:
        self._cli = Cli(project.directory, home, project.backend_url)

    def reset(self) -> None:
        self._cli.init(STACK)

    def up(self) -> None:
        with self._options() as options:
            run = self._cli.up(STACK, *options)
        if not run.ok:
            raise SystemExit(f"pulumi up failed:\n{run.text}")

    def preview(self) -> bool:
        with self._options() as options:
            run = self._cli.preview(STACK, *options)
        if not run.ok:
            raise SystemExit(f"pulumi preview failed:\n{run.text}")
        return bool(run.changed)

    @contextmanager
    def _options(self) -> Iterator[list[str]]:
        yield ["--refresh=true"]


class ServedPulumiCli(PulumiCli):
    """Runs the CLI as `snu` does, without the time of `snu` itself: the program's processes are there before."""

    name = "Pulumi CLI, program served"

    def __init__(self, project: Project, home: Path) -> None:
        super().__init__(project, home)
        self._directory = project.directory
        self._programs: list[Program] = []

    def reset(self) -> None:
        while self._programs:
            self._programs.pop().stop()
        self._programs = [Program(self._directory, clean_environment()) for _ in ("up", "preview")]
        super().reset()

    @contextmanager
    def _options(self) -> Iterator[list[str]]:
        with self._programs.pop() as program, super()._options() as options:
            yield [*options, "--client", program.address]


class Terraform(_Terraform):
    name = "Terraform"


class Stage:
    """A project whose foundation is up on a local Scaleway behind a proxy, and can be so again."""

    def __init__(self, folder: Path) -> None:
        self.project = copy_project(folder / "project")
        self.proxy = LatencyProxy(self.project.port)
        self._saved = folder / "saved"
        self._local = self.project.directory / ".local"
        for stack in (FOUNDATION, STACK):
            self._point_at_proxy(stack)

    @property
    def provider(self) -> dict[str, str]:
        """Where the local Scaleway is and who asks, in Terraform's words."""
        names = ("api_url", "access_key", "secret_key", "organization_id", "project_id", "region", "zone")
        camel = (_camel(name) for name in names)
        config = self._document("local")["config"]
        found = {name: str(config[f"scaleway:{key}"]) for name, key in zip(names, camel, strict=True)}
        return found | {"api_url": self.proxy.url}

    def prepare(self) -> tuple[list[ResourceState], str, dict[str, str]]:
        """Bring the foundation up and keep that; then the stack itself, once: its resources, secret and document."""
        embedded = EmbeddedEngine(self.project)
        self.project.start_cloud()
        try:
            self.project_up(FOUNDATION)
            outputs = Embedded(self.project.directory, self.project.backend_url).outputs(FOUNDATION)
            secret_id = str(outputs["secretIds"]["staging"])
            document = self._fill(secret_id)
            self.project.stop_cloud()
            for part in ("scaleway", "state"):
                shutil.copytree(self._local / part, self._saved / part)
            self.project.start_cloud()
            embedded.up()
            return self._resources(), secret_id, document
        finally:
            self.project.stop_cloud()

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """The foundation as it was kept, and no environment."""
        for part in ("scaleway", "state"):
            shutil.rmtree(self._local / part)
            shutil.copytree(self._saved / part, self._local / part)
        self.project.start_cloud()
        try:
            yield
        finally:
            self.project.stop_cloud()

    def project_up(self, stack: str) -> None:
        ended = self.project.snu("up", stack, "--yes", "--skip-preview", "--engine", "embedded")
        if ended.returncode != 0:
            raise SystemExit(f"snu up {stack} failed:\n{ended.stdout}{ended.stderr}")

    def _document(self, stack: str) -> dict[str, Any]:
        document: dict[str, Any] = yaml.safe_load(self.project.stack_file(stack).read_text())
        return document

    def _point_at_proxy(self, stack: str) -> None:
        local = self._document("local")
        document = self._document(stack)
        own = {key: value for key, value in local["config"].items() if key.startswith("scaleway:")}
        document["config"].update(own | {"scaleway:apiUrl": self.proxy.url})
        if "snu:deploy" in document["config"]:
            # The stack names another project by its id; on the local Scaleway one project is there from the start.
            document["config"]["snu:deploy"] = {"readRegistriesOf": [ORGANIZATION]}
        if stack == STACK:
            del document["config"]["snu:crashAlerts"]  # Terraform's configuration has no job
        document["encryptionsalt"] = local["encryptionsalt"]
        self.project.stack_file(stack).write_text(stack_yaml(document))

    def _fill(self, secret_id: str) -> dict[str, str]:
        """Give the environment's secret its document, with a value of its own for each key."""
        _, _, bare_id = secret_id.rpartition("/")  # without the region
        answer = httpx.post(
            f"{self.project.api_url}/secret-manager/v1beta1/regions/{REGION}/secrets/{bare_id}/versions",
            headers={"X-Auth-Token": OWNER_SECRET_KEY},
            json={"data": base64.b64encode(json.dumps(DOCUMENT).encode()).decode()},
            trust_env=False,
        )
        answer.raise_for_status()
        return DOCUMENT

    def _resources(self) -> list[ResourceState]:
        checkpoint = StateFile(self.project.backend_url, "snu", STACK).read()
        assert checkpoint is not None
        assert checkpoint.salt is not None
        return checkpoint.snapshot(Crypter.open(PASSPHRASE, checkpoint.salt)).resources


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


Cell = tuple[str, float]
"""An engine's name and the delay of each answer."""


@dataclass
class Results:
    first_up: dict[Cell, Samples] = field(default_factory=lambda: defaultdict(Samples))
    no_change: dict[Cell, Samples] = field(default_factory=lambda: defaultdict(Samples))
    processor: dict[Cell, Samples] = field(default_factory=lambda: defaultdict(Samples))
    """Processor time of the previews that found no change."""
    imports: Samples = field(default_factory=Samples)
    changes: set[str] = field(default_factory=set)
    """Engines whose preview after the first up was not without a change."""


def run(session: Session) -> None:
    """The shortest round measures with the longest delay only."""
    results, delays = Results(), _DELAYS[-1:] if session.smoke else _DELAYS
    with tempfile.TemporaryDirectory(prefix="snu-bench-") as name:
        folder = Path(name)
        stage = Stage(folder)
        with stage.proxy.running():
            engines = _engines(session, stage, folder, *stage.prepare())
            if not session.smoke:
                for engine in engines:
                    _measure(stage, engine, 0.0, Results())
            for _ in range(session.rounds):
                for delay, engine in itertools.product(delays, engines):
                    results.imports.time(_import)
                    _measure(stage, engine, delay, results)
    _print(results, [engine.name for engine in engines], delays)


def _engines(
    session: Session,
    stage: Stage,
    folder: Path,
    resources: list[ResourceState],
    secret_id: str,
    document: dict[str, str],
) -> list[Engine]:
    """Those whose programs are on PATH."""
    engines: list[Engine] = [EmbeddedEngine(stage.project)]
    if session.has(PulumiCli.name, PULUMI):
        engines.append(PulumiCliThroughSnu(stage.project, folder / "pulumi-home"))
        engines.append(ServedPulumiCli(stage.project, folder / "pulumi-home"))
        engines.append(PulumiCli(stage.project, folder / "pulumi-home"))
    if session.has(Terraform.name, PROGRAMS):
        same = terraform.configuration(resources, stage.provider, secret_id, document)
        engines.append(Terraform(folder / "terraform", same))
    return engines


def _import() -> None:
    subprocess.run([sys.executable, "-c", IMPORTS], check=True, env=clean_environment())


def _processor_seconds() -> float:
    """Of all programs that were run and have ended; the local Scaleway, which still runs, is not among them."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _measure(stage: Stage, engine: Engine, delay: float, results: Results) -> None:
    with stage.fresh():
        engine.reset()
        stage.proxy.delay = delay
        try:
            results.first_up[engine.name, delay].time(engine.up)
            began, spent = time.perf_counter(), _processor_seconds()
            changed = engine.preview()
            results.no_change[engine.name, delay].add(time.perf_counter() - began)
            results.processor[engine.name, delay].add(_processor_seconds() - spent)
        finally:
            stage.proxy.delay = 0.0
    if changed:
        results.changes.add(engine.name)


def _print(results: Results, engines: list[str], delays: tuple[float, ...]) -> None:
    awake = {cell: _without_sleep(cell[0], samples) for cell, samples in results.first_up.items()}
    tables: tuple[tuple[str, dict[Cell, Samples], dict[str, float]], ...] = (
        ("no-change preview", results.no_change, _PREVIEW_TARGETS),
        ("its processor time", results.processor, {}),
        ("first up", results.first_up, {}),
        ("first up without sleep", awake, _FIRST_UP_TARGETS),
    )
    if Terraform.name in engines:
        rows = [
            Ratio(
                f"{what}, {_shown(delay)}, {engine}",
                times[engine, delay],
                times[Terraform.name, delay],
                Target(targets[engine]) if delay and engine in targets else None,
            )
            for what, times, targets in tables
            for delay, engine in itertools.product(delays, engines)
            if engine != Terraform.name
        ]
        print_table(rows, "this", Terraform.name)
    floor = [
        Ratio(f"{what}, {_shown(delay)}, {engine}", times[engine, delay], results.imports)
        for what, times in (("no-change preview", results.no_change), ("first up", results.first_up))
        for delay, engine in itertools.product(delays, engines)
    ]
    print_table(floor, "this", "import")
    print(f"import: `{IMPORTS}`, below which no engine of the program can be.")
    print(f"without sleep: without the {_PROVIDER_SLEEP:.0f} s that the real provider, of both, sleeps in a first up.")
    for engine in sorted(results.changes):
        print(f"Not comparable: the preview of {engine} after its first up found a change.")


def _without_sleep(engine: str, samples: Samples) -> Samples:
    """The embedded engine's own provider does not sleep."""
    return samples if engine == EmbeddedEngine.name else Samples([value - _PROVIDER_SLEEP for value in samples.values])


def _shown(delay: float) -> str:
    return f"{delay * 1_000:.0f} ms"
