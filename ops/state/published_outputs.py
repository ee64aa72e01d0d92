"""A foundation's outputs, as far as environments need them, in the environments' own backends.

An environment refers to its foundation by a stack reference, which reads from the environment's backend. So that this
needs no right to the foundation's state, a stack of the foundation's name stands there that has nothing but outputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from pulumi_state.errors import PulumiError
from pulumi_state.snapshot import now
from pulumi_state.state_file import StateFile
from pulumi_state.store import Store
from pulumi_state.urn import ROOT_STACK_TYPE

PUBLISHED = ("projectId", "registryEndpoints", "secretIds", "alertsSecretIds", "previewNamespaceId", "zone")
"""All that an environment's program reads, and nothing that is secret."""


def publish(store: Store, project: str, stack: str, outputs: Mapping[str, Any]) -> bool:
    """Write a foundation's outputs into an environment's store; gives whether that changed anything.

    Raises OpsError when the foundation's whole state is there, which is left alone.
    """
    wanted = {key: outputs[key] for key in PUBLISHED if key in outputs}
    file = StateFile(store, project, stack)
    try:
        found = file.read()
        resources = (found.latest.get("resources") or []) if found else []
        if [each.get("type") for each in resources] not in ([], [ROOT_STACK_TYPE]):
            raise OpsError(
                f"{store.address} has a state of {stack} with {len(resources)} resources, where only its outputs are "
                f"to be: the foundation's own state does not belong there. Move it with "
                f"`scripts/snu state move {stack}`.",
                ExitCode.FAILED,
            )
        if resources and resources[0].get("outputs") == wanted:
            return False
        file.write(_checkpoint(file.full_name, project, stack, wanted))
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None
    return True


def _checkpoint(full_name: str, project: str, stack: str, outputs: Mapping[str, Any]) -> str:
    moment = now()
    root = {
        "urn": f"urn:pulumi:{stack}::{project}::{ROOT_STACK_TYPE}::{project}-{stack}",
        "custom": False,
        "type": ROOT_STACK_TYPE,
        "outputs": outputs,
        "created": moment,
        "modified": moment,
    }
    latest = {"manifest": {"time": moment, "magic": "", "version": ""}, "resources": [root], "metadata": {}}
    return json.dumps({"version": 3, "checkpoint": {"stack": full_name, "latest": latest}}, ensure_ascii=False)
