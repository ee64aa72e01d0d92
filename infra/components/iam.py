"""Who may deploy an environment, preview it, or read its secret document; and who may preview a foundation.

The applications have no keys here: an owner makes those with `snu keys`, so that no state and no output has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import iam

from infra import naming
from infra.components.access import READ_OBJECTS, AccessDescriptions, on_projects, on_secrets, permit

DEPLOY = (
    "ContainersFullAccess",
    "ContainerRegistryFullAccess",
    "DomainsDNSFullAccess",
    "SecretManagerReadOnly",
    "ObservabilityReadOnly",
    "ServerlessJobsFullAccess",
    *READ_OBJECTS,
)
PREVIEW = (
    "ContainersReadOnly",
    "ContainerRegistryReadOnly",
    "DomainsDNSReadOnly",
    "SecretManagerReadOnly",
    "ObservabilityReadOnly",
    "ServerlessJobsReadOnly",
    *READ_OBJECTS,
)
PREVIEW_FOUNDATION = (*PREVIEW, "RelationalDatabasesReadOnly", "ServerlessSQLDatabaseReadOnly")
READ_SECRET_NAMES = ("SecretManagerReadOnly",)
ORGANIZATION = ("ProjectReadOnly", "IAMReadOnly")
READ_REGISTRY = ("ContainerRegistryReadOnly",)
WRITE_SECRETS = ("SecretManagerFullAccess",)
"""Previews have secrets of their own, which their stacks make and delete."""
OPEN_DATABASES = ("RelationalDatabasesFullAccess",)
"""Scaleway has no narrower permission set that may change an instance's ACL."""


@dataclass(frozen=True, kw_only=True)
class DeployAccessArgs:
    """What a `DeployAccess` is made from."""

    environment: str
    """The environment that is deployed."""
    project_id: pulumi.Input[str]
    """The project that it is in. Other environments of the project can be deployed too: Scaleway separates no
    containers, registries or records of one project."""
    organization_id: str
    """The organization of the project."""
    read_registries_of: Sequence[str] = ()
    """Ids of other projects whose images may be copied."""
    may_open_databases: bool = False
    """Whether runs add their own address to the ACL of a backend database."""


class DeployAccess(pulumi.ComponentResource):
    """`snu:iam:DeployAccess`, produces:

    - `<name>-application`, `<name>-policy`: deploys the environment
    - `<name>-preview-application`, `<name>-preview-policy`: previews it, reads its state, and writes nothing
    - `<name>-reader-application`, `<name>-reader-policy`: reads its secret document, and nothing else
    """

    def __init__(self, name: str, args: DeployAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("snu:iam:DeployAccess", name, None, opts)
        environment, project = args.environment, [args.project_id]
        child = pulumi.ResourceOptions(parent=self)
        document, state_reader = naming.secret(environment), naming.state_reader_secret(environment)
        state = naming.environment_state_secret(environment)
        open_databases = OPEN_DATABASES if args.may_open_databases else ()
        organization = _on_organization(args.organization_id)
        permit(
            name,
            naming.deploy_application(environment),
            _about(f"deploys {environment}"),
            [
                on_projects(project, [*DEPLOY, *open_databases]),
                on_secrets(args.project_id, [document, state, state_reader]),
                organization,
                *([on_projects(args.read_registries_of, READ_REGISTRY)] if args.read_registries_of else []),
            ],
            child,
        )
        permit(
            f"{name}-preview",
            naming.preview_application(environment),
            _about(f"previews {environment}"),
            [
                on_projects(project, [*PREVIEW, *open_databases]),
                on_secrets(args.project_id, [document, state_reader]),
                organization,
            ],
            child,
        )
        permit(
            f"{name}-reader",
            naming.secret_reader_application(environment),
            _about(f"reads the secret document of {environment}"),
            [on_projects(project, READ_SECRET_NAMES), on_secrets(args.project_id, [document])],
            child,
        )
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class PreviewsAccessArgs:
    """What a `PreviewsAccess` is made from."""

    project: str
    """The project's name without `snu-`."""
    project_id: pulumi.Input[str]
    """The project that the preview environments are in."""
    organization_id: str
    """The organization of the project."""
    may_open_databases: bool = False
    """Whether runs add their own address to the ACL of a backend database."""


class PreviewsAccess(pulumi.ComponentResource):
    """`snu:iam:PreviewsAccess`, produces:

    - `<name>-application`, `<name>-policy`: deploys the preview environments of a project
    """

    def __init__(self, name: str, args: PreviewsAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("snu:iam:PreviewsAccess", name, None, opts)
        sets = [*DEPLOY, *WRITE_SECRETS, *(OPEN_DATABASES if args.may_open_databases else ())]
        permit(
            name,
            naming.previews_application(args.project),
            _about(f"deploys the preview environments of {args.project}"),
            [on_projects([args.project_id], sets), _on_organization(args.organization_id)],
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class FoundationPreviewAccessArgs:
    """What a `FoundationPreviewAccess` is made from."""

    project: str
    """The project's name without `snu-`."""
    project_id: pulumi.Input[str]
    """The foundation's project."""
    organization_id: str
    """The organization, whose default project has the same id and holds the foundation's state."""
    environments: Sequence[str]
    """Its environments, whose states say what of its project is in use."""
    initial_documents: Sequence[tuple[str, str]] = ()
    """Project and name of each secret that a document of an environment starts from."""


class FoundationPreviewAccess(pulumi.ComponentResource):
    """`snu:iam:FoundationPreviewAccess`, produces:

    - `<name>-application`, `<name>-policy`: previews the foundation, reads its state and those of its environments
    """

    def __init__(
        self, name: str, args: FoundationPreviewAccessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("snu:iam:FoundationPreviewAccess", name, None, opts)
        default_project = args.organization_id
        permit(
            name,
            naming.foundation_preview_application(args.project),
            _about(f"previews the foundation {args.project}"),
            [
                on_projects([args.project_id], PREVIEW_FOUNDATION),
                on_projects([default_project], [*READ_SECRET_NAMES, *READ_OBJECTS]),
                on_secrets(default_project, [naming.foundation_state_secret(args.project)]),
                on_secrets(args.project_id, [naming.state_reader_secret(name) for name in args.environments]),
                *(
                    rule
                    for project, secret in args.initial_documents
                    for rule in (on_projects([project], READ_SECRET_NAMES), on_secrets(project, [secret]))
                ),
                _on_organization(args.organization_id),
            ],
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _on_organization(organization_id: str) -> iam.PolicyRuleArgs:
    return iam.PolicyRuleArgs(organization_id=organization_id, permission_set_names=list(ORGANIZATION))


def _about(purpose: str) -> AccessDescriptions:
    return AccessDescriptions(f"Application that {purpose}", f"Policy of the application that {purpose}")
