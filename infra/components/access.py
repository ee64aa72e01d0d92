"""Who may do what: an IAM application with one policy. Its keys are made with `snu keys`, and are in no state."""

from collections.abc import Sequence
from typing import NamedTuple

import pulumi
from pulumiverse_scaleway import iam

from infra import naming

READ_OBJECTS = ("ObjectStorageBucketsRead", "ObjectStorageObjectsRead")
"""In buckets without a policy of their own, such as those of the crash alerts. Those of states have one."""


class AccessDescriptions(NamedTuple):
    """What people read of the two."""

    application: str
    policy: str


def permit(
    name: str,
    application_name: str,
    about: AccessDescriptions,
    rules: Sequence[iam.PolicyRuleArgs],
    opts: pulumi.ResourceOptions,
) -> None:
    """Registers `<name>-application` and `<name>-policy`."""
    application = iam.Application(
        f"{name}-application", name=application_name, description=about.application, opts=opts
    )
    iam.Policy(
        f"{name}-policy",
        name=naming.policy(application_name),
        description=about.policy,
        application_id=application.id,
        rules=list(rules),
        opts=opts,
    )


def on_projects(project_ids: Sequence[pulumi.Input[str]], permission_sets: Sequence[str]) -> iam.PolicyRuleArgs:
    """A rule: these permission sets, in these projects."""
    return iam.PolicyRuleArgs(project_ids=list(project_ids), permission_set_names=list(permission_sets))


def on_secrets(project_id: pulumi.Input[str], names: Sequence[str]) -> iam.PolicyRuleArgs:
    """A rule: the values of these secrets of a project, and of no others.

    Scaleway evaluates conditions on resources for Secret Manager, not for containers, registries or DNS: see
    `docs/adr/0024-keys-and-their-reach.md`.
    """
    return iam.PolicyRuleArgs(
        project_ids=[project_id],
        permission_set_names=["SecretManagerSecretAccess"],
        # A secret's folder is part of its name; the root folder's slash is written by some answers only.
        # In an order of its own: the engines give the settings' keys in different ones.
        condition=" || ".join(f'resource.name == "{form}"' for name in sorted(names) for form in (f"/{name}", name)),
    )
