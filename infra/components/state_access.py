"""Who may keep the state of an environment: an IAM application with a key of its own."""

from collections.abc import Sequence
from typing import NamedTuple

import pulumi
from pulumiverse_scaleway import iam

from infra import naming


class StateAccess(NamedTuple):
    """An application that may do what keeping a state takes, and nothing else."""

    application: iam.Application
    key: iam.ApiKey


def state_access(
    name: str,
    environment: str,
    application_name: str,
    project_id: pulumi.Input[str],
    permission_sets: Sequence[str],
    opts: pulumi.ResourceOptions,
) -> StateAccess:
    """Registers `<name>-application`, `<name>-policy` and `<name>-key`."""
    application = iam.Application(
        f"{name}-application",
        name=application_name,
        description=f"Keeps Pulumi's state of {environment}",
        opts=opts,
    )
    iam.Policy(
        f"{name}-policy",
        name=naming.policy(application_name),
        description=f"Allows to keep Pulumi's state of {environment}",
        application_id=application.id,
        rules=[iam.PolicyRuleArgs(project_ids=[project_id], permission_set_names=list(permission_sets))],
        opts=opts,
    )
    key = iam.ApiKey(
        f"{name}-key",
        application_id=application.id,
        default_project_id=project_id,
        description=f"Pulumi's state of {environment}",
        opts=opts,
    )
    return StateAccess(application, key)
