"""Publishes a foundation's outputs to the backends of its environments.

An environment refers to its foundation through a stack reference, which is read from the environment's own backend.
That backend contains a stack with the foundation's name and outputs but no resources, so environments need no access to
the foundation's state.
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

PUBLISHED = (
    "projectId",
    "registryEndpoints",
    "secretIds",
    "alertsSecretIds",
    "releaseSecretIds",
    "previewNamespaceId",
    "zone",
)
"""The outputs that an environment's program reads; none of them is secret."""


def publish(store: Store, project: str, stack: str, outputs: Mapping[str, Any]) -> bool:
    """Write a foundation's outputs to an environment's store; returns whether anything changed.

    Raises OpsError if the store contains the foundation's own state.
    """
    published = {key: outputs[key] for key in PUBLISHED if key in outputs}
    file = StateFile(store, project, stack)
    try:
        current = file.read()
        resources = (current.latest.get("resources") or []) if current else []
        if [each.get("type") for each in resources] not in ([], [ROOT_STACK_TYPE]):
            raise OpsError(
                f"{store.address} has a state for {stack} with {len(resources)} resources; expected only the "
                "foundation's outputs. The foundation's own state does not belong there. Nothing was changed. Move it "
                f"with `scripts/snu state move {stack} --to …`.",
                ExitCode.FAILED,
            )
        if resources and resources[0].get("outputs") == published:
            return False
        file.write(_checkpoint(file.full_name, project, stack, published))
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
