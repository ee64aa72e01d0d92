"""A project whose committed stacks are pointed at a local Scaleway that has the live stack of Terraform's making."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.lab.lab import Lab, Run
from tests.support.seed import DOCUMENT, ORGANIZATION
from tests.support.stack_yaml import stack_yaml

SNU_CI = "1b29c5d9-9723-400a-aa8b-0c85ae3567f7"
"""The real project whose registries production may read."""
PARENT_ZONE = {"domain": "beta-snu.dev", "subdomain": "", "project_id": ORGANIZATION}
FOUNDATIONS = {"foundation-production": ("production", "stage"), "foundation-ci": ("ci",)}


@dataclass
class LiveLab:
    """A lab, the states that Terraform has left, and what tests do with them."""

    lab: Lab
    states: Path
    """Folder with ``<environment>.tfstate``."""
    environment: dict[str, str] = field(default_factory=dict)
    """More variables for the command."""

    def point_stacks(self) -> None:
        """Have the committed stacks use the local Scaleway, their states lie beside those of the local ones."""
        local = yaml.safe_load(self.lab.project.stack_file("local").read_text())
        for stack in (*FOUNDATIONS, *(name for names in FOUNDATIONS.values() for name in names)):
            path = self.lab.project.stack_file(stack)
            document = yaml.safe_load(path.read_text().replace(SNU_CI, self.project_id("snu-ci")))
            document["config"].update(self.lab.project.provider_settings())
            document["encryptionsalt"] = local["encryptionsalt"]
            path.write_text(stack_yaml(document))
        self.share_production()

    def share_production(self) -> None:
        """As docs/how-to/adoption.md says: stage is adopted where it is live, in the project of production."""
        environments = self.config("foundation-production", "environments")
        shared = {"environments": {**environments, "staging": environments["production"]}}
        deploy = {"readRegistriesOf": [self.project_id("snu-ci")]}
        self.edit("foundation-production", **shared, deploy=deploy)
        self.edit("stage", environment={"name": "staging", "foundation": "foundation-production"})

    def edit(self, stack: str, **config: Any) -> None:
        """Replace keys of the stack's settings, ``snu:`` left out."""
        settings = {f"snu:{key}": value for key, value in config.items()}
        self.lab.project.change(stack, lambda found: found.update(settings))

    def config(self, stack: str, key: str) -> Any:
        return self.lab.project.config(stack)[f"snu:{key}"]

    def project_id(self, name: str) -> str:
        return str(self.lab.find("account.project", name)["id"])

    def write_document(self, environment: str) -> None:
        """As people do, once Terraform has made the secret."""
        secret = self.lab.find("secret_manager.secret", f"snu-{environment}")
        self.lab.write_secret(secret["id"], json.dumps(DOCUMENT).encode())

    # --- the command --------------------------------------------------------------------------------------

    def adopt(self, stack: str, *arguments: str, engine: str = "embedded") -> Run:
        return self.lab.project.snu("adopt", stack, "--engine", engine, *arguments, **self.environment)

    def sources(self, *environments: str) -> list[str]:
        return [word for name in environments for word in ("--from", str(self.states / f"{name}.tfstate"))]

    def accept_all(self, stack: str, *arguments: str, engine: str = "embedded") -> Path:
        """The list that accepts everything that differs, with a reason for each."""
        path = self.lab.project.directory / f"{stack}.accept.yaml"
        run = self.adopt(stack, *arguments, "--write-accept", str(path), "--yes", engine=engine)
        assert run.returncode == 22, run.stdout + run.stderr
        path.write_text(path.read_text().replace("why?", "decided when we moved"))
        return path

    def adopt_ok(self, stack: str, *sources: str, engine: str = "embedded") -> Run:
        """Adopt, with everything accepted that differs."""
        accepted = self.accept_all(stack, *sources, engine=engine)
        run = self.adopt(stack, *sources, "--accept", str(accepted), "--yes", engine=engine)
        assert run.returncode == 0, run.stdout + run.stderr
        return run
