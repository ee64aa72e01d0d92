"""Who may do what: an IAM application with one policy and one key."""

from collections.abc import Sequence
from typing import NamedTuple

import pulumi
from pulumiverse_scaleway import iam

from infra import naming

READ_OBJECTS = ("ObjectStorageBucketsRead", "ObjectStorageObjectsRead")
"""In buckets without a policy of their own, such as those of the crash alerts. Those of states have one."""


class About(NamedTuple):
    """What people read of the three."""

    application: str
    policy: str
    key: str = ""


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
    application = permit(name, application_name, about, rules, opts)
    key = iam.ApiKey(
        f"{name}-key",
        application_id=application.id,
        default_project_id=project_id,
        description=about.key,
        expires_at=expires_at,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=False)) if expires_at else opts,
    )
    return Access(application, key)


def permit(
    name: str,
    application_name: str,
    about: About,
    rules: Sequence[iam.PolicyRuleArgs],
    opts: pulumi.ResourceOptions,
) -> iam.Application:
    """Registers `<name>-application` and `<name>-policy`. Its keys are made with `snu keys`, and in no state."""
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
    return application


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
