"""IAM applications with read-write or read-only access to an environment's state."""

from collections.abc import Sequence

import pulumi

from infra import naming
from infra.components.access import AccessDescriptions, grant, on_projects


def state_access(
    name: str,
    environment: str,
    application_name: str,
    project_id: pulumi.Input[str],
    write: Sequence[str],
    read: Sequence[str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Registers `<name>-application`, `<name>-policy`, `<name>-reader-application` and `<name>-reader-policy`.

    `write` and `read` are the two applications' permission sets. `snu keys store` creates their API keys and stores
    them in the secrets from which commands read the backend's address and credentials.
    """
    state = f"the Pulumi state of {environment}"
    for part, application, verb, gerund, permission_sets in (
        (name, application_name, "Stores", "storing", write),
        (f"{name}-reader", naming.state_reader(application_name), "Reads", "reading", read),
    ):
        descriptions = AccessDescriptions(f"{verb} {state}", f"Allows {gerund} {state}")
        grant(part, application, descriptions, [on_projects([project_id], permission_sets)], opts)
