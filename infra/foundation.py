"""The `foundation` blueprint: an isolated Scaleway project with the resources that its environments require."""

import pulumi
from pulumiverse_scaleway import account, containers, domain

from infra import naming
from infra.components.alerts_access import AlertsAccess, AlertsAccessArgs
from infra.components.bucket import BackendBucket, BackendBucketArgs
from infra.components.database import BackendDatabase, BackendDatabaseArgs
from infra.components.iam import (
    DeployAccess,
    DeployAccessArgs,
    FoundationPreviewAccess,
    FoundationPreviewAccessArgs,
    PreviewsAccess,
    PreviewsAccessArgs,
)
from infra.components.observability import Observability, ObservabilityArgs
from infra.components.registry import Registry, RegistryArgs
from infra.components.secrets import EnvironmentSecrets, EnvironmentSecretsArgs
from infra.documents import read_text
from infra.settings import BucketBackend, FoundationSettings, InstanceBackend, ServerlessBackend
from infra.settings.models import InitialDocument


def build(settings: FoundationSettings) -> None:
    """Registers the foundation's resources and exports the outputs that its environments and operators need."""
    opts = pulumi.ResourceOptions(protect=settings.protect)

    project = account.Project(
        "project",
        name=naming.project(settings.project.name),
        description=settings.project.description,
        opts=opts,
    )
    registries, databases, documents = {}, {}, {}
    for name, environment in settings.environments.items():
        registries[name] = Registry(
            f"{name}-registry",
            RegistryArgs(namespace=naming.registry_namespace(name), project_id=project.id),
            opts,
        )
        match environment.database:
            case BucketBackend():
                BackendBucket(
                    f"{name}-state",
                    BackendBucketArgs(environment=name, project_id=project.id),
                    opts,
                )
                if environment.former_database is not None:
                    _database(name, environment.former_database, settings, project.id, opts)
            case backend:
                databases[name] = _database(name, backend, settings, project.id, opts)
        documents[name] = EnvironmentSecrets(
            f"{name}-secrets",
            EnvironmentSecretsArgs(
                secret=naming.secret(name),
                project_id=project.id,
                protected=settings.protect,
                initial=_initial(environment.secret.initial, settings),
            ),
            opts,
        )
    _access(settings, project.id, opts)
    observability = Observability(
        "observability",
        ObservabilityArgs(
            project=settings.project.name,
            project_id=project.id,
            log_retention=settings.observability.log_retention,
            alert_emails=settings.observability.alert_emails,
        ),
        opts,
    )
    alerts = {
        name: AlertsAccess(
            f"{name}-alerts",
            AlertsAccessArgs(
                environment=name,
                project=settings.project.name,
                project_id=project.id,
                observability=observability,
                protected=settings.protect,
                api_url=pulumi.Config("scaleway").get("apiUrl"),
                storage_url=settings.object_storage,
            ),
            opts,
        )
        for name in settings.environments
    }
    if settings.zone is not None:
        pulumi.export("zone", _zone(settings.zone, project.id, opts).id)
    if settings.previews:
        pulumi.export("previewNamespaceId", _preview_namespace(project.id, opts).id)

    pulumi.export("projectId", project.id)
    pulumi.export("registryEndpoints", {name: registry.endpoint for name, registry in registries.items()})
    pulumi.export("secretIds", {name: document.secret_id for name, document in documents.items()})
    pulumi.export("backendUrls", {name: database.url for name, database in databases.items()})
    connections = {name: database.connection for name, database in databases.items() if database.connection is not None}
    if connections:
        pulumi.export("backendConnections", connections)
    reader_urls = {name: database.reader_url for name, database in databases.items() if database.reader_url is not None}
    if reader_urls:
        pulumi.export("backendReaderUrls", reader_urls)
    pulumi.export("logsUrl", observability.logs_url)
    pulumi.export("logsToken", observability.logs_token)
    pulumi.export("alertsSecretIds", {name: access.secret_id for name, access in alerts.items()})
    pulumi.export("alertsAccess", {name: access.access for name, access in alerts.items()})


def _access(settings: FoundationSettings, project_id: pulumi.Output[str], opts: pulumi.ResourceOptions) -> None:
    """Registers the IAM applications for deployments and previews. `snu keys` creates their API keys."""
    project, organization_id = settings.project.name, settings.organization_id
    # A project used to have a single deploy application; the environment with the project's name inherits it.
    successor = project if project in settings.environments else next(iter(settings.environments))
    for name in settings.environments:
        aliases = [pulumi.Alias(name="deploy")] if name == successor else None
        DeployAccess(
            f"{name}-deploy",
            DeployAccessArgs(
                environment=name,
                project_id=project_id,
                organization_id=organization_id,
                read_registries_of=settings.deploy.read_registries_of,
                may_open_databases=settings.opens_databases,
            ),
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=aliases)),
        )
    if settings.previews:
        PreviewsAccess(
            "previews-deploy",
            PreviewsAccessArgs(
                project=project,
                project_id=project_id,
                organization_id=organization_id,
                may_open_databases=settings.opens_databases,
            ),
            opts,
        )
    FoundationPreviewAccess(
        "foundation-preview",
        FoundationPreviewAccessArgs(
            project=project,
            project_id=project_id,
            organization_id=organization_id,
            environments=[*settings.environments],
            initial_documents=[
                (_initial_project(initial, settings), initial.secret)
                for environment in settings.environments.values()
                if (initial := environment.secret.initial) is not None
            ],
        ),
        opts,
    )


def _database(
    name: str,
    backend: ServerlessBackend | InstanceBackend,
    settings: FoundationSettings,
    project_id: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> BackendDatabase:
    passwords = settings.database_passwords.get(name)
    args = BackendDatabaseArgs(
        environment=name,
        project_id=project_id,
        backend=backend,
        passwords=passwords,
    )
    return BackendDatabase(f"{name}-state", args, opts)


def _initial(initial: InitialDocument | None, settings: FoundationSettings) -> pulumi.Output[str] | None:
    if initial is None:
        return None
    return read_text(secret_name=initial.secret, project_id=_initial_project(initial, settings))


def _initial_project(initial: InitialDocument, settings: FoundationSettings) -> str:
    # An organization's default project has the organization's id.
    return settings.organization_id if initial.project == "default" else initial.project


def _zone(zone: str, project_id: pulumi.Output[str], opts: pulumi.ResourceOptions) -> domain.Zone:
    subdomain, parent = naming.split_zone(zone)
    return domain.Zone("zone", domain=parent, subdomain=subdomain, project_id=project_id, opts=opts)


def _preview_namespace(project_id: pulumi.Output[str], opts: pulumi.ResourceOptions) -> containers.Namespace:
    return containers.Namespace(
        "preview-namespace",
        name=naming.PREVIEW_NAMESPACE,
        description="Containers of all preview environments",
        project_id=project_id,
        opts=opts,
    )
