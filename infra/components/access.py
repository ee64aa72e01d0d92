"""IAM applications, each with one policy. Their API keys are created elsewhere, so no state contains them."""

from collections.abc import Sequence
from typing import NamedTuple

import pulumi
from pulumiverse_scaleway import iam


class AccessDescriptions(NamedTuple):
    """Descriptions of an IAM application and its policy."""

    application: str
    policy: str


def grant(
    name: str,
    application_name: pulumi.Input[str],
    descriptions: AccessDescriptions,
    rules: Sequence[iam.PolicyRuleArgs],
    opts: pulumi.ResourceOptions,
) -> None:
    """Register the IAM application `<name>-application` and the policy `<name>-policy` with these rules.

    On Scaleway, the policy has the application's name with the suffix `-policy`.
    """
    application = iam.Application(
        f"{name}-application", name=application_name, description=descriptions.application, opts=opts
    )
    iam.Policy(
        f"{name}-policy",
        name=pulumi.Output.concat(application_name, "-policy"),
        description=descriptions.policy,
        application_id=application.id,
        rules=list(rules),
        opts=opts,
    )


def on_projects(project_ids: Sequence[pulumi.Input[str]], permission_sets: Sequence[str]) -> iam.PolicyRuleArgs:
    """Return a policy rule that grants permission sets on projects."""
    return iam.PolicyRuleArgs(project_ids=list(project_ids), permission_set_names=list(permission_sets))


def on_secrets(project_id: pulumi.Input[str], names: Sequence[str]) -> iam.PolicyRuleArgs:
    """Return a policy rule that grants access to the values of specific secrets in a project.

    Scaleway evaluates resource conditions only for Secret Manager, not for containers, registries or DNS: see
    `docs/adr/0024-keys-and-their-reach.md`.
    """
    return iam.PolicyRuleArgs(
        project_ids=[project_id],
        permission_set_names=["SecretManagerSecretAccess"],
        # A secret's folder is part of its name, but not every API response includes the root folder's slash.
        # Sorted because the order of the keys in the settings depends on the engine.
        condition=" || ".join(f'resource.name == "{form}"' for name in sorted(names) for form in (f"/{name}", name)),
    )


def grant_state(
    name: str,
    environment: str,
    writer: pulumi.Input[str],
    reader: pulumi.Input[str],
    project_id: pulumi.Input[str],
    write: Sequence[str],
    read: Sequence[str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Register `<name>-application` and `<name>-policy`, and `<name>-reader-application` and `<name>-reader-policy`.

    `writer` and `reader` are the names of the two applications, `write` and `read` their permission sets.
    """
    state = f"the Pulumi state of {environment}"
    for part, application, verb, gerund, permission_sets in (
        (name, writer, "Stores", "storing", write),
        (f"{name}-reader", reader, "Reads", "reading", read),
    ):
        descriptions = AccessDescriptions(f"{verb} {state}", f"Allows {gerund} {state}")
        grant(part, application, descriptions, [on_projects([project_id], permission_sets)], opts)
