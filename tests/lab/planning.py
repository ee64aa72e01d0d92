"""A committed project whose stack `local` stands, and a plan that changes it: where each test of plans begins."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pygit2

from ops.plans import keys
from ops.plans.sealed_file import SealedFile, seal
from ops.stacks import Stack, find_stack
from pulumi_state.store import layout
from tests.lab.lab import Lab, Run
from tests.lab.repository import make_repository
from tests.support.oci import Oci, digest_of

STACK = "local"
_DROPPED = ("tasks", "apiv2", "tasksv2", "antivirus")


class PlanLab:
    """A lab on one engine."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.repository = make_repository(folder / "project")
        self.lab = Lab(self.repository.project)
        self.engine = engine
        self.directory = self.lab.project.directory
        self._saved = folder / "saved"
        self.plan = folder / "saved.plan"
        """Of an update of api: another image and another size."""
        self.home = folder / "pulumi-home"

    # --- the command ------------------------------------------------------------------------------------

    def snu(self, *arguments: str, **environment: str) -> Run:
        return self.lab.project.snu(
            *arguments, "--engine", self.engine, **({"PULUMI_HOME": str(self.home)} | environment)
        )

    def ok(self, *arguments: str, **environment: str) -> Run:
        run = self.snu(*arguments, **environment)
        assert run.returncode == 0, run.stdout + run.stderr
        return run

    def make_plan(self, path: Path, *arguments: str, **environment: str) -> Run:
        return self.ok("plan", STACK, "--out", str(path), *arguments, **environment)

    def apply(self, path: Path | None = None, *arguments: str, **environment: str) -> Run:
        return self.snu("apply", str(path or self.plan), "--yes", *arguments, **environment)

    # --- files ------------------------------------------------------------------------------------------

    def edit(self, change: Callable[[dict[str, Any]], None], stack: str = STACK) -> None:
        """Change a stack's configuration."""
        self.lab.project.change(stack, change)

    def commit(self) -> None:
        self.repository.commit("A change")

    def checkout(self) -> None:
        """Put the files back that were committed when the plan was made."""
        self.repository.git.reset(self._planned, pygit2.enums.ResetMode.HARD)

    # --- where tests begin ------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Bring both stacks up, change one app in the settings, and plan that."""
        config = self.repository.git.config
        config["user.name"], config["user.email"] = "A Planner", "planner@snu.localhost"
        self.lab.project.start_cloud()
        self.lab.up_ok("foundation-local")
        first, second = self.push("first"), self.push("second")

        def shrink(config: dict[str, Any]) -> None:
            for name in _DROPPED:
                del config["snu:apps"][name]
            for name in ("apiv2", "antivirus"):
                del config["snu:images"][name]
            config["snu:images"]["api"]["digest"] = first

        self.edit(shrink)
        self.commit()
        self.ok("up", STACK, "--yes", "--skip-preview")

        def change(config: dict[str, Any]) -> None:
            config["snu:images"]["api"]["digest"] = second
            config["snu:apps"]["api"]["memory"] = 1024

        self.edit(change)
        self.commit()
        self._planned = self.repository.git.head.target
        self.make_plan(self.plan)
        self.lab.save(self._saved)

    def begin(self) -> None:
        """As ``prepare`` has left it."""
        self.checkout()
        self.lab.begin(self._saved)

    @classmethod
    @contextmanager
    def prepared(cls, folder: Path, engine: str) -> Iterator[PlanLab]:
        lab = cls(folder, engine)
        try:
            lab.prepare()
            yield lab
        finally:
            lab.stop()

    def stop(self) -> None:
        self.lab.project.stop_cloud()

    # --- the cloud --------------------------------------------------------------------------------------

    def push(self, content: str, image: str = "api") -> str:
        """Push an image of one layer to the environment's registry; gives its digest."""
        return digest_of(Oci(self.lab.project.api_url).push(f"snu-{STACK}/{image}", content, content.encode()))

    def container(self, app: str = "api") -> dict[str, Any]:
        return self.lab.find("containers.container", f"{STACK}-{app}")

    def call_container(self, method: str, body: Any = None, app: str = "api") -> None:
        self.lab.ask(method, f"/containers/v1/regions/fr-par/containers/{self.container(app)['id']}", body)

    def writes(self) -> int:
        """How many writing requests the cloud has seen."""
        return len(self.lab.journal())

    # --- plans, taken apart -----------------------------------------------------------------------------

    @property
    def stack(self) -> Stack:
        return find_stack(self.directory, STACK)

    def content(self, path: Path | None = None) -> dict[str, Any]:
        return SealedFile.read((path or self.plan).read_bytes()).open(keys.identity(self.stack, {}))

    def altered(self, **fields: Any) -> Path:
        """The plan with other fields, signed as the real one."""
        path = self.directory / "altered.plan"
        recipients = self.stack.config["snu:plans"]["appliers"].values()
        path.write_bytes(seal(self.content() | fields, keys.signing_key(self.stack, {}), recipients))
        return path

    def expired(self) -> Path:
        past = datetime.now(UTC) - timedelta(minutes=1)
        return self.altered(expires=past.isoformat())

    def ledger(self) -> list[dict[str, Any]]:
        folder = self.directory / ".local/state" / layout.snu_prefix("ledger", "snu", STACK)
        return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]

    def copy_state(self, folder: Path) -> str:
        """Another backend with the same state; gives its address."""
        shutil.copytree(self.directory / ".local/state", folder)
        return f"file://{folder}"
