"""The project's own stacks on a local Scaleway, whichever Scaleway they live on, and typical changes of their settings.

The stacks that live on the real Scaleway are pointed at the local one here: address, fake keys, ids of the seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops.stack_file import edit
from tests.lab.pair import Pair
from tests.lab.project import copy_project
from tests.support.seed import DOCUMENT, ORGANIZATION

PREVIEW = "pr-12"
"""Made from the template."""
GROUPS: dict[str, list[str]] = {
    "foundation-local": ["local"],
    "foundation-ci": ["ci", PREVIEW],
    "foundation-stage": ["stage"],
    "foundation-production": ["production"],
}
"""The environments that stand on each foundation."""

_DIGEST = "sha256:" + "b" * 64
_SNU_CI = "1b29c5d9-9723-400a-aa8b-0c85ae3567f7"
"""The real project whose registries stage may read; it does not exist on a local Scaleway."""
_PARENT_ZONE = {"domain": "beta-snu.dev", "subdomain": "", "project_id": ORGANIZATION}

Configuration = dict[str, Any]
Change = Callable[[Configuration], None]


class Stacks(Pair):
    """The stacks of one foundation on a local Scaleway of their own."""

    @classmethod
    def make(cls, foundation: str, directory: Path, home: Path) -> Stacks:
        """Copy the project and make the stacks known to its backend."""
        stacks = cls.of(copy_project(directory), home)
        names = [foundation, *GROUPS[foundation]]
        if PREVIEW in names:
            stacks._fill_template(PREVIEW)
        for stack in names:
            stacks.edit(stack, lambda config: config.update(stacks.project.provider_settings()))
            stacks.cli.init(stack)
        return stacks

    def prepare(self, foundation: str) -> None:
        """Make what the foundation expects to find; the cloud has to be up."""
        if foundation == "foundation-ci":
            self.ask("POST", "/domain/v2beta1/dns-zones", _PARENT_ZONE)
        if foundation == "foundation-stage":
            # What runs in ci is promoted from there: another project, which stands already.
            made = self.ask("POST", "/account/v3/projects", {"name": "snu-ci", "description": ""})
            path = self.project.stack_file(foundation)
            path.write_text(path.read_text().replace(_SNU_CI, made["id"]))

    def fill_secrets(self, foundation: str) -> None:
        """A foundation makes empty secrets; the documents are written manually. The local one's is written already.

        The access of the crash alerts, with a key, is written by a command; here, where no job runs, it is empty.
        """
        outputs = self.cli.outputs(foundation)
        empty = [*outputs["alertsSecretIds"].values()]
        documents = [] if foundation == "foundation-local" else [*outputs["secretIds"].values()]
        for secret_id, content in [*((each, {}) for each in empty), *((each, DOCUMENT) for each in documents)]:
            self.write_secret(secret_id.rpartition("/")[2], json.dumps(content).encode())

    def edit(self, stack: str, change: Change) -> None:
        """Change settings, some of which may be as they are to become."""
        edit(self.project.stack_file(stack), change)

    def _fill_template(self, stack: str) -> None:
        """A preview environment's settings."""
        text = self.project.stack_file("preview.template").read_text().replace("${name}", stack)
        self.project.stack_file(stack).write_text(text)


# --- changes of settings ------------------------------------------------------------------------------------------


def nothing(_config: Configuration) -> None:
    """No change at all."""


def unprotect(config: Configuration) -> None:
    config["snu:protect"] = False


def switch_protection(config: Configuration) -> None:
    config["snu:protect"] = str(config.get("snu:protect", False)).lower() != "true"


def new_retention(config: Configuration) -> None:
    config["snu:observability"]["logRetention"] = 14


def add_environment(config: Configuration) -> None:
    config["snu:environments"]["extra"] = {"database": {"kind": "serverless", "maxCpu": 1}}


def new_image(config: Configuration) -> None:
    """In place: another image and another size."""
    config["snu:images"]["api"]["digest"] = _DIGEST
    config["snu:apps"]["api"]["memory"] = 4096


def new_host(config: Configuration) -> None:
    """A replacement of a record, where there is one, and of a domain; what is protected would not be replaced."""
    unprotect(config)
    new_host_protected_or_not(config)


def new_host_protected_or_not(config: Configuration) -> None:
    app = config["snu:apps"]["app"]
    app["host"] = f"new-{app['host']}"


def add_app(config: Configuration) -> None:
    """With a host, and a record where the environment has a zone."""
    app = config["snu:apps"]["app"]
    config["snu:apps"]["extra"] = {**app, "image": "app", "host": f"extra-{app['host']}"}


def remove_app(config: Configuration) -> None:
    """With the variables of others that name its URL."""
    unprotect(config)
    del config["snu:apps"]["app"]
    for app in config["snu:apps"].values():
        variables = app.get("variables", {})
        for name in [name for name, value in variables.items() if value == {"url": "app"}]:
            del variables[name]
