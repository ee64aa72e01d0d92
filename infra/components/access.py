"""Who may do what: an IAM application with one policy and one key."""

from collections.abc import Sequence
from typing import NamedTuple

import pulumi
from pulumiverse_scaleway import iam

from infra import naming


class About(NamedTuple):
    """What people read of the three."""

    application: str
    policy: str
    key: str


class Access(NamedTuple):
    """An application that may do what its policy says, and nothing else."""

    application: iam.Application
    key: iam.ApiKey


def grant(
    name: str,
    application_name: str,
    about: About,
    project_id: pulumi.Input[str],
    rules: Sequence[iam.PolicyRuleArgs],
    opts: pulumi.ResourceOptions,
    expires_at: str | None = None,
) -> Access:
    """Registers `<name>-application`, `<name>-policy` and `<name>-key`; the key's default project is given.

    `expires_at`: when the key expires, in RFC 3339. Another time is another key, so such a key is not protected.
    """
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
    key = iam.ApiKey(
        f"{name}-key",
        application_id=application.id,
        default_project_id=project_id,
        description=about.key,
        expires_at=expires_at,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=False)) if expires_at else opts,
    )
    return Access(application, key)


def on_projects(project_ids: Sequence[pulumi.Input[str]], permission_sets: Sequence[str]) -> iam.PolicyRuleArgs:
    """A rule: these permission sets, in these projects."""
    return iam.PolicyRuleArgs(project_ids=list(project_ids), permission_set_names=list(permission_sets))
