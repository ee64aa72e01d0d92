"""Who may keep the state of an environment, and who may only read it: two IAM applications."""

from collections.abc import Sequence

import pulumi

from infra import naming
from infra.components.access import AccessDescriptions, on_projects, permit


def state_access(
    name: str,
    environment: str,
    application_name: str,
    project_id: pulumi.Input[str],
    write: Sequence[str],
    read: Sequence[str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Registers `<name>-application` and `<name>-policy`, and the same of `<name>-reader`.

    `write` and `read`: the permission sets of the two. `snu keys store` makes their keys, and writes them into the
    secrets from which commands read how the state is reached.
    """
    state = f"Pulumi's state of {environment}"
    for part, application, does, permission_sets in (
        (name, application_name, ("Keeps", "keep"), write),
        (f"{name}-reader", naming.state_reader(application_name), ("Reads", "read"), read),
    ):
        about = AccessDescriptions(f"{does[0]} {state}", f"Allows to {does[1]} {state}")
        permit(part, application, about, [on_projects([project_id], permission_sets)], opts)
