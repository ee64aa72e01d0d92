"""IAM applications that deploy or preview an environment, read its secret document, or preview a foundation.

An owner creates their API keys with `snu keys`, so no state or output contains them.
"""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi
from pulumiverse_scaleway import iam

from .access import AccessDescriptions, grant, on_projects, on_secrets
from .component import Component
from .permission_sets import (
    DEPLOY,
    OPEN_DATABASES,
    ORGANIZATION,
    PREVIEW,
    PREVIEW_FOUNDATION,
    READ_OBJECTS,
    READ_REGISTRY,
    READ_SECRET_NAMES,
    WRITE_SECRETS,
)


class DeployAccessArgs(TypedDict):
    """Arguments of `DeployAccess`."""

    environment: str
    """Name of the environment to deploy; used in descriptions."""
    deploy_application: str
    """Name of the IAM application that deploys."""
    preview_application: str
    """Name of the IAM application that previews."""
    reader_application: str
    """Name of the IAM application that reads the secret document."""
    document_secret: str
    """Name of the secret with the environment's secret document."""
    state_secret: str
    """Name of the secret with the credentials that write the environment's state."""
    state_reader_secret: str
    """Name of the secret with the credentials that read the environment's state."""
    logs_secret: NotRequired[str]
    """Name of the secret with the token that queries the environment's logs, which the deploy application may read."""
    release_secret: NotRequired[str | None]
    """Name of the secret with the API key that starts release commands, which the deploy application may read."""
    project_id: pulumi.Input[str]
    """Project of the environment. The applications can also deploy the project's other environments: Scaleway does not
    isolate containers, registries or records within a project."""
    organization_id: pulumi.Input[str]
    """Organization of the project."""
    read_registries_of: NotRequired[Sequence[str]]
    """Ids of other projects whose registries the deploy application may read."""
    may_open_databases: NotRequired[bool]
    """Whether the applications that deploy and preview may change a backend database's ACL. Default: false."""


class DeployAccess(Component):
    """IAM applications that deploy and preview an environment.

    Children:

    - `<name>-application`, `<name>-policy`: deploys the environment
    - `<name>-preview-application`, `<name>-preview-policy`: previews it with read-only access, including access to its
      state
    - `<name>-reader-application`, `<name>-reader-policy`: reads only its secret document
    """

    _former_type = "snu:iam:DeployAccess"

    def __init__(self, name: str, args: DeployAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        environment, project = args["environment"], [args["project_id"]]
        child = pulumi.ResourceOptions(parent=self)
        document, state_reader = args["document_secret"], args["state_reader_secret"]
        others = [name for name in (args.get("logs_secret"), args.get("release_secret")) if name is not None]
        open_databases = OPEN_DATABASES if args.get("may_open_databases", False) else ()
        organization = _on_organization(args["organization_id"])
        registries = args.get("read_registries_of", [])
        grant(
            name,
            args["deploy_application"],
            _descriptions(f"deploys {environment}"),
            [
                on_projects(project, [*DEPLOY, *open_databases]),
                on_secrets(args["project_id"], [document, args["state_secret"], state_reader, *others]),
                organization,
                *([on_projects(registries, READ_REGISTRY)] if registries else []),
            ],
            child,
        )
        grant(
            f"{name}-preview",
            args["preview_application"],
            _descriptions(f"previews {environment}"),
            [
                on_projects(project, [*PREVIEW, *open_databases]),
                on_secrets(args["project_id"], [document, state_reader]),
                organization,
            ],
            child,
        )
        grant(
            f"{name}-reader",
            args["reader_application"],
            _descriptions(f"reads the secret document of {environment}"),
            [on_projects(project, READ_SECRET_NAMES), on_secrets(args["project_id"], [document])],
            child,
        )
        self.register_outputs({})


class PreviewsAccessArgs(TypedDict):
    """Arguments of `PreviewsAccess`."""

    project: str
    """Name of the project, used in descriptions."""
    application_name: str
    """Name of the IAM application."""
    project_id: pulumi.Input[str]
    """Project of the preview environments."""
    organization_id: pulumi.Input[str]
    """Organization of the project."""
    may_open_databases: NotRequired[bool]
    """Whether the application may change a backend database's ACL. Default: false."""


class PreviewsAccess(Component):
    """An IAM application that deploys a project's preview environments.

    Children:

    - `<name>-application`, `<name>-policy`: the IAM application and its policy
    """

    _former_type = "snu:iam:PreviewsAccess"

    def __init__(self, name: str, args: PreviewsAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        sets = [*DEPLOY, *WRITE_SECRETS, *(OPEN_DATABASES if args.get("may_open_databases", False) else ())]
        grant(
            name,
            args["application_name"],
            _descriptions(f"deploys the preview environments of {args['project']}"),
            [on_projects([args["project_id"]], sets), _on_organization(args["organization_id"])],
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


class SecretReference(TypedDict):
    """A secret by its name."""

    project_id: str
    """Project of the secret."""
    name: str
    """Name of the secret."""


class FoundationPreviewAccessArgs(TypedDict):
    """Arguments of `FoundationPreviewAccess`."""

    project: str
    """Name of the project, used in descriptions."""
    application_name: str
    """Name of the IAM application."""
    project_id: pulumi.Input[str]
    """Project of the foundation."""
    organization_id: str
    """Organization of the project. Its default project, which has the same id, contains the foundation's state."""
    state_secret: str
    """Name of the secret with the credentials of the foundation's state, in the organization's default project."""
    state_reader_secrets: Sequence[str]
    """Names of the secrets with the credentials that read the environments' states. These show which resources of the
    project are managed."""
    initial_documents: NotRequired[Sequence[SecretReference]]
    """Secrets from which secret documents are copied."""


class FoundationPreviewAccess(Component):
    """An IAM application that previews a foundation with read-only access.

    Children:

    - `<name>-application`, `<name>-policy`: reads the project, the foundation's state and its environments' states
    """

    _former_type = "snu:iam:FoundationPreviewAccess"

    def __init__(
        self, name: str, args: FoundationPreviewAccessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        default_project = args["organization_id"]
        grant(
            name,
            args["application_name"],
            _descriptions(f"previews the foundation {args['project']}"),
            [
                on_projects([args["project_id"]], PREVIEW_FOUNDATION),
                on_projects([default_project], [*READ_SECRET_NAMES, *READ_OBJECTS]),
                on_secrets(default_project, [args["state_secret"]]),
                on_secrets(args["project_id"], args["state_reader_secrets"]),
                *(
                    rule
                    for source in args.get("initial_documents", [])
                    for rule in (
                        on_projects([source["project_id"]], READ_SECRET_NAMES),
                        on_secrets(source["project_id"], [source["name"]]),
                    )
                ),
                _on_organization(args["organization_id"]),
            ],
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _on_organization(organization_id: pulumi.Input[str]) -> iam.PolicyRuleArgs:
    return iam.PolicyRuleArgs(organization_id=organization_id, permission_set_names=list(ORGANIZATION))


def _descriptions(purpose: str) -> AccessDescriptions:
    return AccessDescriptions(f"Application that {purpose}", f"Policy of the application that {purpose}")
