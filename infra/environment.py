"""The blueprint `environment`: containers, host names and jobs, on a foundation of another stack."""

from collections.abc import Mapping

import pulumi
from pulumiverse_scaleway import containers

from infra import naming
from infra.components.containers import ContainerApp, ContainerAppArgs
from infra.components.jobs import ScheduledJob, ScheduledJobArgs
from infra.components.secrets import EnvironmentSecrets, EnvironmentSecretsArgs
from infra.documents import SecretDocument, read_text
from infra.foundation_reference import FoundationReference
from infra.settings import AppUrl, EnvironmentSettings, merge


def build(settings: EnvironmentSettings) -> None:
    """Registers the environment's resources and exports where its apps are reached.

    Nothing but a preview's own secret is registered before the secret document has proved to hold every
    key that the apps and jobs take.
    """
    environment = settings.environment
    foundation = FoundationReference(environment.foundation, environment.preview_of or environment.name)
    opts = pulumi.ResourceOptions(protect=settings.protect)

    consumers = {f"app {name}": merge(app, settings.apps) for name, app in settings.apps.items()} | {
        f"job {name}": merge(job, settings.apps) for name, job in settings.jobs.items()
    }
    secret_id = _own_secret(settings, foundation, opts) if environment.preview_of else foundation.secret_id
    document = SecretDocument.of(secret_id, naming.secret(environment.name))
    checked = pulumi.ResourceOptions(protect=settings.protect, depends_on=document.require(consumers))

    namespace_id = (
        foundation.preview_namespace_id
        if environment.preview_of
        else _namespace(environment.name, foundation, checked).id
    )
    apps: dict[str, ContainerApp] = {}
    for name, app in settings.apps.items():
        variables = consumers[f"app {name}"]
        in_zone = settings.zone and app.host and naming.is_in_zone(app.host, settings.zone)
        apps[name] = ContainerApp(
            name,
            ContainerAppArgs(
                container=naming.container(environment.name, name),
                namespace_id=namespace_id,
                image=_image(settings, foundation, app.image or name),
                app=app,
                https_only=settings.url_template.startswith("https:"),
                variables=_plain(settings, variables.plain) | _taken(document, variables.document),
                secret_variables=_taken(document, variables.secret),
                zone=foundation.zone(settings.zone) if settings.zone and in_zone else None,
                record=naming.record(app.host, settings.zone) if app.host and settings.zone else None,
            ),
            checked,
        )
    jobs: dict[str, ScheduledJob] = {}
    for name, job in settings.jobs.items():
        variables = consumers[f"job {name}"]
        jobs[name] = ScheduledJob(
            name,
            ScheduledJobArgs(
                job_name=job.name or naming.job(environment.name, name),
                project_id=foundation.project_id,
                image=_image(settings, foundation, job.image),
                job=job,
                variables=_plain(settings, variables.plain) | _taken(document, variables.document),
            ),
            checked,
        )

    pulumi.export("namespaceId", namespace_id)
    pulumi.export("containerIds", {name: app.container_id for name, app in apps.items()})
    pulumi.export("endpoints", {name: app.endpoint for name, app in apps.items()})
    pulumi.export("urls", _urls(settings))
    pulumi.export("jobIds", {name: job.definition_id for name, job in jobs.items()})


def _own_secret(
    settings: EnvironmentSettings, foundation: FoundationReference, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """A preview's own secret, which starts as a copy of the one of the environment it is a preview of."""
    own = EnvironmentSecrets(
        "secrets",
        EnvironmentSecretsArgs(
            secret=naming.secret(settings.environment.name),
            project_id=foundation.project_id,
            protected=settings.protect,
            initial=read_text(secret_id=foundation.secret_id),
        ),
        opts,
    )
    return own.secret_id


def _namespace(environment: str, foundation: FoundationReference, opts: pulumi.ResourceOptions) -> containers.Namespace:
    # Scaleway makes an IAM application and a policy with each namespace: organization quotas count them.
    return containers.Namespace(
        "namespace",
        name=naming.container_namespace(environment),
        description=f"Containers of {environment}",
        project_id=foundation.project_id,
        opts=opts,
    )


def _image(settings: EnvironmentSettings, foundation: FoundationReference, name: str) -> pulumi.Output[str]:
    digest = settings.images[name].digest
    return foundation.registry_endpoint.apply(lambda endpoint: naming.image(endpoint, name, digest))


def _plain(settings: EnvironmentSettings, variables: Mapping[str, str | AppUrl]) -> dict[str, pulumi.Input[str]]:
    urls = _urls(settings)
    return {name: urls[value.url] if isinstance(value, AppUrl) else value for name, value in variables.items()}


def _taken(document: SecretDocument, variables: Mapping[str, str]) -> dict[str, pulumi.Input[str]]:
    return {name: document.value(key) for name, key in variables.items()}


def _urls(settings: EnvironmentSettings) -> dict[str, str]:
    """Where each app that has a host is reached."""
    return {
        name: naming.url(settings.url_template, app.host) for name, app in settings.apps.items() if app.host is not None
    }
