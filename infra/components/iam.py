"""IAM applications that deploy or preview an environment, read its secret document, or preview a foundation.

An owner creates their API keys with `snu keys`, so no state or output contains them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import iam

from infra import naming
from infra.components.access import READ_OBJECTS, AccessDescriptions, grant, on_projects, on_secrets

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
"""Required because stacks of preview environments create and delete secrets."""
OPEN_DATABASES = ("RelationalDatabasesFullAccess",)
"""Scaleway's narrowest permission set that can change an instance's ACL."""


@dataclass(frozen=True, kw_only=True)
class DeployAccessArgs:
    """Arguments of `DeployAccess`."""

    environment: str
    """The environment to deploy."""
    project_id: pulumi.Input[str]
    """Project of the environment. The applications can also deploy the project's other environments: Scaleway does not
    isolate containers, registries or records within a project."""
    organization_id: str
    """Organization of the project."""
    read_registries_of: Sequence[str] = ()
    """Ids of other projects whose registries the deploy application may read."""
    may_open_databases: bool = False
    """Whether runs add their own address to a backend database's ACL."""


class DeployAccess(pulumi.ComponentResource):
    """IAM applications that deploy and preview an environment (`snu:iam:DeployAccess`).

    Children:

    - `<name>-application`, `<name>-policy`: deploys the environment
    - `<name>-preview-application`, `<name>-preview-policy`: previews it with read-only access, including access to its
      state
    - `<name>-reader-application`, `<name>-reader-policy`: reads only its secret document
    """

    def __init__(self, name: str, args: DeployAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component and its children."""
        super().__init__("snu:iam:DeployAccess", name, None, opts)
        environment, project = args.environment, [args.project_id]
        child = pulumi.ResourceOptions(parent=self)
        document, state_reader = naming.secret(environment), naming.state_reader_secret(environment)
        state = naming.environment_state_secret(environment)
        open_databases = OPEN_DATABASES if args.may_open_databases else ()
        organization = _on_organization(args.organization_id)
        grant(
            name,
            naming.deploy_application(environment),
            _descriptions(f"deploys {environment}"),
            [
                on_projects(project, [*DEPLOY, *open_databases]),
                on_secrets(args.project_id, [document, state, state_reader]),
                organization,
                *([on_projects(args.read_registries_of, READ_REGISTRY)] if args.read_registries_of else []),
            ],
            child,
        )
        grant(
            f"{name}-preview",
            naming.preview_application(environment),
            _descriptions(f"previews {environment}"),
            [
                on_projects(project, [*PREVIEW, *open_databases]),
                on_secrets(args.project_id, [document, state_reader]),
                organization,
            ],
            child,
        )
        grant(
            f"{name}-reader",
            naming.secret_reader_application(environment),
            _descriptions(f"reads the secret document of {environment}"),
            [on_projects(project, READ_SECRET_NAMES), on_secrets(args.project_id, [document])],
            child,
        )
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class PreviewsAccessArgs:
    """Arguments of `PreviewsAccess`."""

    project: str
    """Name of the project without `snu-`."""
    project_id: pulumi.Input[str]
    """Project of the preview environments."""
    organization_id: str
    """Organization of the project."""
    may_open_databases: bool = False
    """Whether runs add their own address to a backend database's ACL."""


class PreviewsAccess(pulumi.ComponentResource):
    """An IAM application that deploys a project's preview environments (`snu:iam:PreviewsAccess`).

    Children:

    - `<name>-application`, `<name>-policy`: the IAM application and its policy
    """

    def __init__(self, name: str, args: PreviewsAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component and its children."""
        super().__init__("snu:iam:PreviewsAccess", name, None, opts)
        sets = [*DEPLOY, *WRITE_SECRETS, *(OPEN_DATABASES if args.may_open_databases else ())]
        grant(
            name,
            naming.previews_application(args.project),
            _descriptions(f"deploys the preview environments of {args.project}"),
            [on_projects([args.project_id], sets), _on_organization(args.organization_id)],
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True)
class FoundationPreviewAccessArgs:
    """Arguments of `FoundationPreviewAccess`."""

    project: str
    """Name of the project without `snu-`."""
    project_id: pulumi.Input[str]
    """Project of the foundation."""
    organization_id: str
    """Organization of the project. Its default project, which has the same id, contains the foundation's state."""
    environments: Sequence[str]
    """Environments of the foundation. Their states show which of the project's resources are managed."""
    initial_documents: Sequence[tuple[str, str]] = ()
    """Project and name of each secret from which a secret document is copied."""


class FoundationPreviewAccess(pulumi.ComponentResource):
    """An IAM application that previews a foundation with read-only access (`snu:iam:FoundationPreviewAccess`).

    Children:

    - `<name>-application`, `<name>-policy`: reads the project, the foundation's state and its environments' states
    """

    def __init__(
        self, name: str, args: FoundationPreviewAccessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Registers the component and its children."""
        super().__init__("snu:iam:FoundationPreviewAccess", name, None, opts)
        default_project = args.organization_id
        grant(
            name,
            naming.foundation_preview_application(args.project),
            _descriptions(f"previews the foundation {args.project}"),
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


def _descriptions(purpose: str) -> AccessDescriptions:
    return AccessDescriptions(f"Application that {purpose}", f"Policy of the application that {purpose}")
