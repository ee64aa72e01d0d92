"""IAM applications that read and write the state of an environment, or only read it."""

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
    """Registers `<name>-application` and `<name>-policy`, and `<name>-reader-application` and `<name>-reader-policy`.

    `write` and `read` are the permission sets of the two applications. `snu keys store` creates their API keys and
    stores them in the secrets from which commands read the backend's address and credentials.
    """
    state = f"Pulumi's state of {environment}"
    for part, application, verb, infinitive, permission_sets in (
        (name, application_name, "Keeps", "keep", write),
        (f"{name}-reader", naming.state_reader(application_name), "Reads", "read", read),
    ):
        descriptions = AccessDescriptions(f"{verb} {state}", f"Allows to {infinitive} {state}")
        grant(part, application, descriptions, [on_projects([project_id], permission_sets)], opts)
