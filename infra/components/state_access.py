"""Who may keep the state of an environment: an IAM application with a key of its own."""

from collections.abc import Sequence

import pulumi

from infra import naming
from infra.components.access import About, Access, grant, on_projects


def state_access(
    name: str,
    environment: str,
    application_name: str,
    project_id: pulumi.Input[str],
    permission_sets: Sequence[str],
    opts: pulumi.ResourceOptions,
    expires_at: str | None = None,
) -> Access:
    """Registers `<name>-application`, `<name>-policy` and `<name>-key`."""
    state = f"Pulumi's state of {environment}"
    about = About(f"Keeps {state}", f"Allows to keep {state}", state)
    rules = [on_projects([project_id], permission_sets)]
    return grant(name, application_name, about, project_id, rules, opts, expires_at)


def state_reader_access(
    name: str,
    environment: str,
    application_name: str,
    project_id: pulumi.Input[str],
    permission_sets: Sequence[str],
    opts: pulumi.ResourceOptions,
    expires_at: str | None = None,
) -> Access:
    """Registers `<name>-reader-application`, `<name>-reader-policy` and `<name>-reader-key`.

    `application_name` is that of the application that keeps the state.
    """
    state = f"Pulumi's state of {environment}"
    about = About(f"Reads {state}", f"Allows to read {state}", f"Reader of {state}")
    rules = [on_projects([project_id], permission_sets)]
    reader = naming.state_reader(application_name)
    return grant(f"{name}-reader", reader, about, project_id, rules, opts, expires_at)
