"""The `foundation` blueprint: an isolated Scaleway project with the resources that its environments require."""

import pulumi
from pulumiverse_scaleway import account, containers, domain, secrets

from infra import naming
from infra.components.access import AccessDescriptions, grant, on_projects
from infra.components.alerts_access import AlertsAccess, AlertsAccessArgs
from infra.components.backend_bucket import BackendBucket, BackendBucketArgs
from infra.components.backend_database import BackendDatabase, BackendDatabaseArgs
from infra.components.backend_instance import BackendInstance, BackendInstanceArgs
from infra.components.iam import (
    DeployAccess,
    DeployAccessArgs,
    FoundationPreviewAccess,
    FoundationPreviewAccessArgs,
    PreviewsAccess,
    PreviewsAccessArgs,
    SecretReference,
)
from infra.components.logs_access import LogsAccess, LogsAccessArgs
from infra.components.observability import Observability, ObservabilityArgs
from infra.components.permission_sets import RUN_JOBS
from infra.components.registry import Registry, RegistryArgs
from infra.components.secrets import EnvironmentSecrets, EnvironmentSecretsArgs
from infra.documents import read_text
from infra.loopback import is_local_scaleway
from infra.settings import BucketBackend, FoundationSettings, InstanceBackend, ServerlessBackend
from infra.settings.models import DatabasePasswords, InitialDocument


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
            RegistryArgs(namespace_name=naming.registry_namespace(name), project_id=project.id),
            opts,
        )
        match environment.database:
            case BucketBackend():
                BackendBucket(
                    f"{name}-state",
                    BackendBucketArgs(
                        environment=name,
                        application_name=naming.state_bucket_application(name),
                        reader_application_name=naming.state_reader(naming.state_bucket_application(name)),
                        project_id=project.id,
                    ),
                    opts,
                )
                if environment.former_database is not None:
                    _database(name, environment.former_database, settings, project.id, opts)
            case backend:
                databases[name] = _database(name, backend, settings, project.id, opts)
        documents[name] = EnvironmentSecrets(
            f"{name}-secrets",
            EnvironmentSecretsArgs(
                secret_name=naming.secret(name),
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
            logs_name=naming.logs_source(settings.project.name),
            logs_token_name=naming.logs_reader_token(settings.project.name),
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
                application_name=naming.alerts_application(name),
                secret_name=naming.alerts_secret(name),
                bucket_name=naming.alerts_bucket(settings.project.name, name),
                project_id=project.id,
                logs_url=observability.platform_logs_url,
                logs_token=observability.logs_token,
                logs_region=observability.platform_logs_region,
                logs_retention=observability.platform_logs_retention,
                protected=settings.protect,
                api_url=pulumi.Config("scaleway").get("apiUrl"),
                storage_url=settings.object_storage,
            ),
            opts,
        )
        for name in settings.environments
    }
    for name in settings.environments:
        LogsAccess(
            f"{name}-logs",
            LogsAccessArgs(
                environment=name,
                application_name=naming.logs_application(name),
                secret_name=naming.logs_secret(name),
                project_id=project.id,
                logs_url=observability.platform_logs_url,
                logs_token=observability.logs_token,
                protected=settings.protect,
            ),
            opts,
        )
    releases = {
        name: _release_access(name, settings, project.id, opts)
        for name, environment in settings.environments.items()
        if environment.release_commands
    }
    for name, access in alerts.items():
        _report_unless_written(access, naming.alerts_secret(name))
    if settings.zone is not None:
        pulumi.export("zone", _zone(settings.zone, project.id, opts).id)
    if settings.previews:
        pulumi.export("previewNamespaceId", _preview_namespace(project.id, opts).id)

    pulumi.export("projectId", project.id)
    pulumi.export("registryEndpoints", {name: registry.endpoint for name, registry in registries.items()})
    pulumi.export("secretIds", {name: document.secret_id for name, document in documents.items()})
    pulumi.export("backendUrls", {name: database.url for name, database in databases.items()})
    instances = {name: database for name, database in databases.items() if isinstance(database, BackendInstance)}
    connections = {name: instance.connection for name, instance in instances.items()}
    if connections:
        pulumi.export("backendConnections", connections)
    reader_urls = {name: instance.reader_url for name, instance in instances.items() if instance.reader_url is not None}
    if reader_urls:
        pulumi.export("backendReaderUrls", reader_urls)
    pulumi.export("logsUrl", observability.logs_url)
    pulumi.export("logsToken", observability.logs_token)
    pulumi.export("alertsSecretIds", {name: access.secret_id for name, access in alerts.items()})
    if releases:
        pulumi.export("releaseSecretIds", releases)
    pulumi.export("alertsAccess", {name: access.access for name, access in alerts.items()})


def _access(settings: FoundationSettings, project_id: pulumi.Output[str], opts: pulumi.ResourceOptions) -> None:
    """Registers the IAM applications for deployments and previews. `snu keys` creates their API keys."""
    project, organization_id = settings.project.name, settings.organization_id
    # A project used to have a single deploy application; the environment with the project's name inherits it.
    successor = project if project in settings.environments else next(iter(settings.environments))
    for name, environment in settings.environments.items():
        aliases = [pulumi.Alias(name="deploy")] if name == successor else None
        DeployAccess(
            f"{name}-deploy",
            DeployAccessArgs(
                environment=name,
                deploy_application=naming.deploy_application(name),
                preview_application=naming.preview_application(name),
                reader_application=naming.secret_reader_application(name),
                document_secret=naming.secret(name),
                state_secret=naming.environment_state_secret(name),
                state_reader_secret=naming.state_reader_secret(name),
                logs_secret=naming.logs_secret(name),
                release_secret=naming.release_secret(name) if environment.release_commands else None,
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
                application_name=naming.previews_application(project),
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
            application_name=naming.foundation_preview_application(project),
            project_id=project_id,
            organization_id=organization_id,
            state_secret=naming.foundation_state_secret(project),
            state_reader_secrets=[naming.state_reader_secret(name) for name in settings.environments],
            initial_documents=[
                SecretReference(project_id=_initial_project(initial, settings), name=initial.secret)
                for environment in settings.environments.values()
                if (initial := environment.secret.initial) is not None
            ],
        ),
        opts,
    )


def _release_access(
    name: str, settings: FoundationSettings, project_id: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """Registers the IAM application that starts release commands, and the secret for its key. Returns its id."""
    grant(
        f"{name}-release",
        naming.release_application(name),
        AccessDescriptions(f"Starts the release commands of {name}", f"Allows starting the release commands of {name}"),
        [on_projects([project_id], RUN_JOBS)],
        opts,
    )
    return secrets.Secret(
        f"{name}-release-secret",
        name=naming.release_secret(name),
        description=f"API key that starts the release commands of {name}",
        type="opaque",
        protected=settings.protect,
        project_id=project_id,
        opts=opts,
    ).id


def _database(
    name: str,
    backend: ServerlessBackend | InstanceBackend,
    settings: FoundationSettings,
    project_id: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> BackendDatabase | BackendInstance:
    match backend:
        case ServerlessBackend():
            return BackendDatabase(
                f"{name}-state",
                BackendDatabaseArgs(
                    environment=name,
                    database_name=naming.state_database(name),
                    application_name=naming.state_application(name),
                    reader_application_name=naming.state_reader(naming.state_application(name)),
                    project_id=project_id,
                    min_cpu=backend.min_cpu,
                    max_cpu=backend.max_cpu,
                ),
                opts,
            )
        case InstanceBackend():
            passwords = settings.database_passwords.get(name)
            if passwords is None:
                raise pulumi.RunError(f"no passwords are set for the database instance of {name}")
            return _instance(name, backend, passwords, project_id, opts)


def _instance(
    name: str,
    backend: InstanceBackend,
    passwords: DatabasePasswords,
    project_id: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> BackendInstance:
    return BackendInstance(
        f"{name}-state",
        BackendInstanceArgs(
            environment=name,
            instance_name=naming.state_database(name),
            database_name=naming.STATE_DATABASE,
            administrator_name=naming.STATE_ADMINISTRATOR,
            administrator_password=passwords.administrator.get_secret_value(),
            user_name=naming.STATE_USER,
            user_password=passwords.user.get_secret_value(),
            reader_name=naming.STATE_READER if passwords.reader is not None else None,
            reader_password=passwords.reader.get_secret_value() if passwords.reader is not None else None,
            allowed_ranges=backend.allowed_ranges,
            open_for_runs=backend.open_for_runs,
            private_network=backend.private_network,
            node_type=backend.node_type,
            engine=backend.engine,
            volume_size=backend.volume_size,
            backup_frequency=backend.backup_frequency,
            backup_retention=backend.backup_retention,
            project_id=project_id,
        ),
        opts,
    )


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


def _report_unless_written(access: AlertsAccess, secret: str) -> None:
    """Reports a secret without a version: on the local Scaleway as information, because `scripts/up` writes it next."""
    report = pulumi.log.info if is_local_scaleway(pulumi.Config("scaleway").get("apiUrl")) else pulumi.log.warn

    def check(is_written: bool) -> None:
        if not is_written:
            report(
                f"the secret {secret} has no version yet: `scripts/snu keys store {pulumi.get_stack()}` creates and "
                "stores the API key for the crash alerts",
                access,
            )

    access.is_written.apply(check)
