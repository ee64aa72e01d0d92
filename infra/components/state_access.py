"""Who may keep the state of an environment, and who may only read it: IAM applications with keys of their own."""

from collections.abc import Sequence
from typing import NamedTuple

import pulumi

from infra import naming
from infra.components.access import About, Access, grant, on_projects


class StateAccess(NamedTuple):
    """Two logins of one state."""

    writer: Access
    reader: Access


def state_access(
    name: str,
    environment: str,
    application_name: str,
    project_id: pulumi.Input[str],
    write: Sequence[str],
    read: Sequence[str],
    opts: pulumi.ResourceOptions,
    expires_at: str | None = None,
) -> StateAccess:
    """Registers `<name>-application`, `<name>-policy` and `<name>-key`, and the same of `<name>-reader`.

    `write` and `read`: the permission sets of the two.
    """
    state = f"Pulumi's state of {environment}"
    keeps = About(f"Keeps {state}", f"Allows to keep {state}", state)
    reads = About(f"Reads {state}", f"Allows to read {state}", f"Reader of {state}")

    def of(name: str, application: str, about: About, permission_sets: Sequence[str]) -> Access:
        return grant(
            name, application, about, project_id, [on_projects([project_id], permission_sets)], opts, expires_at
        )

    return StateAccess(
        of(name, application_name, keeps, write),
        of(f"{name}-reader", naming.state_reader(application_name), reads, read),
    )
