"""The `environment` blueprint: containers, host names and jobs that build on another stack's foundation."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi
from pulumiverse_scaleway import containers

from infra import naming
from infra.components.alerts import CrashAlerts, CrashAlertsArgs
from infra.components.commands import Command, CommandArgs
from infra.components.containers import ContainerApp, ContainerAppArgs, ContainerProbe
from infra.components.jobs import ScheduledJob, ScheduledJobArgs
from infra.components.secrets import EnvironmentSecrets, EnvironmentSecretsArgs, is_written
from infra.documents import SecretDocument, read_text
from infra.foundation_reference import FoundationReference
from infra.images.errors import ImageSourceError
from infra.settings import App, AppUrl, EnvironmentSettings, Image, Job, variables_by_consumer
from infra.settings.models import CrashAlertsSettings, Probe

if TYPE_CHECKING:
    from infra.images.working_copy import WorkingCopy


@dataclass(frozen=True)
class RunningImage:
    """An image run by containers or jobs."""

    version: str
    digest: pulumi.Input[str]
    reference: pulumi.Output[str]
    """Registry, name and digest."""


def build(settings: EnvironmentSettings, project: Path) -> None:
    """Registers the environment's resources and exports their ids and URLs.

    Except for a preview's own secret, nothing is registered before the secret document and the foundation's outputs
    have been validated against the settings.
    """
    environment = settings.environment
    opts = pulumi.ResourceOptions(protect=settings.protect)

    foundation = FoundationReference(environment.foundation, environment.preview_of or environment.name)
    secret_id = _own_secret(settings, foundation, opts) if environment.preview_of else foundation.secret_id
    parts = _Parts(settings, foundation, secret_id, project)
    namespace_id = (
        foundation.preview_namespace_id
        if environment.preview_of
        else _namespace(environment.name, foundation, parts.opts).id
    )
    apps = {name: parts.app(name, app, namespace_id) for name, app in settings.apps.items()}
    jobs: dict[str, ScheduledJob | CrashAlerts] = {name: parts.job(name, job) for name, job in settings.jobs.items()}
    if settings.crash_alerts is not None:
        jobs[naming.ALERTS_JOB] = parts.alerts(settings.crash_alerts, namespace_id)

    pulumi.export("namespaceId", namespace_id)
    pulumi.export("containerIds", {name: app.container_id for name, app in apps.items()})
    pulumi.export("endpoints", {name: app.endpoint for name, app in apps.items()})
    pulumi.export("urls", parts.urls)
    pulumi.export(
        "images", {name: {"version": image.version, "digest": image.digest} for name, image in parts.images.items()}
    )
    pulumi.export("jobIds", {name: job.definition_id for name, job in jobs.items()})


def _own_secret(
    settings: EnvironmentSettings, foundation: FoundationReference, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """Registers a preview's own secret document, initially a copy of the environment's, and returns its id."""
    own = EnvironmentSecrets(
        "secrets",
        EnvironmentSecretsArgs(
            secret_name=naming.secret(settings.environment.name),
            project_id=foundation.project_id,
            protected=settings.protect,
            ephemeral=True,
            initial=read_text(secret_id=foundation.secret_id),
        ),
        opts,
    )
    return own.secret_id


def _namespace(environment: str, foundation: FoundationReference, opts: pulumi.ResourceOptions) -> containers.Namespace:
    # Scaleway creates an IAM application and a policy for each namespace, which count towards organization quotas.
    return containers.Namespace(
        "namespace",
        name=naming.container_namespace(environment),
        description=f"Containers of {environment}",
        project_id=foundation.project_id,
        opts=opts,
    )


class _Parts:
    """Registers apps and jobs, using shared values that are looked up and validated only once."""

    def __init__(
        self,
        settings: EnvironmentSettings,
        foundation: FoundationReference,
        secret_id: pulumi.Output[str],
        project: Path,
    ) -> None:
        self._settings = settings
        self._foundation = foundation
        self._project = project
        self._sources: WorkingCopy | None = None
        self._commands: dict[str, Command] = {}
        self.images: dict[str, RunningImage] = {}
        """The images that apps and jobs run, by name."""
        self._variables = variables_by_consumer(settings)
        self._secret_id = secret_id
        self._document = SecretDocument(secret_id, naming.secret(settings.environment.name), self._variables)
        self._zone = foundation.zone(settings.zone) if settings.zone is not None else None
        self.urls = {
            name: naming.url(settings.url_template, app.host)
            for name, app in settings.apps.items()
            if app.host is not None
        }
        """The URL of each app that has a host."""
        self.opts = pulumi.ResourceOptions(protect=settings.protect, depends_on=self._checks())
        """Options for resources that depend on the checks."""

    def app(self, name: str, app: App, namespace_id: pulumi.Output[str]) -> ContainerApp:
        """Registers an app."""
        apps = self._settings.apps
        # Apps that run the same image wait for its release command too.
        releases = [each for each, other in apps.items() if other.release and self._image(each) == self._image(name)]
        commands = [self._command(each, "release") for each in releases]
        commands += [self._command(name, "seed")] if app.seed else []
        zone = self._settings.zone
        in_zone = zone is not None and app.host is not None and naming.is_in_zone(app.host, zone)
        return ContainerApp(
            name,
            ContainerAppArgs(
                container_name=self._settings.container_name(name),
                namespace_id=namespace_id,
                image=self.image(self._image(name)).reference,
                cpu=app.cpu,
                memory=app.memory,
                min_scale=app.min_scale,
                max_scale=app.max_scale,
                concurrency=app.concurrency,
                timeout=app.timeout,
                port=app.port,
                protocol=app.protocol,
                privacy=app.privacy,
                sandbox=app.sandbox,
                https_only=self._settings.url_template.startswith("https:"),
                variables=self._plain(f"app {name}"),
                secret_variables=self._from_document(self._variables[f"app {name}"].secret),
                liveness_probe=_probe(app.liveness_probe),
                startup_probe=_probe(app.startup_probe),
                host=app.host,
                zone=self._zone if in_zone else None,
                record=naming.record(app.host, zone) if zone and app.host and in_zone else None,
                hint=f"To show its log: scripts/snu logs {name} --stack {pulumi.get_stack()}",
            ),
            self._opts(app),
            commands=commands,
        )

    def _image(self, app: str) -> str:
        """The name of an app's image."""
        return self._settings.apps[app].image or app

    def _command(self, app_name: str, kind: str) -> Command:
        """An app's command, whose job is registered once."""
        key = naming.command_job(app_name, kind)
        if key not in self._commands:
            self._commands[key] = self._registered(app_name, kind, key)
        return self._commands[key]

    def _registered(self, app_name: str, kind: str, key: str) -> Command:
        app = self._settings.apps[app_name]
        command = app.commands[kind]
        environment, stack = self._settings.environment, pulumi.get_stack()
        former = [pulumi.Alias(name=naming.command_job(app.renamed_from, kind))] if app.renamed_from else None
        job = ScheduledJob(
            key,
            ScheduledJobArgs(
                job_name=naming.job(environment.name, key),
                project_id=self._foundation.project_id,
                image=self.image(self._image(app_name)).reference,
                cpu=app.cpu,
                memory=app.memory,
                timeout=command.timeout,
                command=command.command,
                variables=self._plain(f"{kind} command of {app_name}"),
            ),
            pulumi.ResourceOptions.merge(self.opts, pulumi.ResourceOptions(aliases=former)),
        )
        return Command(
            CommandArgs(
                app=app_name,
                kind=kind,
                command=command.command,
                timeout=command.timeout,
                job=job,
                access_id=self._release_access,
                log_hint=lambda run: f"scripts/snu logs {key} --stack {stack} --instance {run[:8]}",
                key_hint=f"Run `scripts/snu keys store {environment.foundation}`.",
                each_version=kind == "release",
                api_url=pulumi.Config("scaleway").get("apiUrl"),
            )
        )

    @cached_property
    def _release_access(self) -> pulumi.Output[str]:
        """The id of the secret with the key that starts commands; fails with `pulumi.RunError` if it has no version."""
        environment = self._settings.environment
        secret = naming.release_secret(environment.preview_of or environment.name)
        return _written(self._foundation.release_secret_id, secret, "the release commands", environment.foundation)

    def job(self, name: str, job: Job) -> ScheduledJob:
        """Registers a job."""
        return ScheduledJob(
            name,
            ScheduledJobArgs(
                job_name=self._settings.job_name(name),
                project_id=self._foundation.project_id,
                image=self.image(job.image).reference,
                cpu=job.cpu,
                memory=job.memory,
                storage=job.storage,
                timeout=job.timeout,
                command=job.command,
                arguments=job.args,
                variables=self._plain(f"job {name}"),
                cron=job.schedule.cron if job.schedule else None,
                timezone=job.schedule.timezone if job.schedule else "UTC",
            ),
            self._opts(job),
        )

    def _opts(self, renamed: App | Job) -> pulumi.ResourceOptions:
        # Pulumi derives the children's aliases, because their names start with the component's.
        aliases = [pulumi.Alias(name=renamed.renamed_from)] if renamed.renamed_from else None
        return pulumi.ResourceOptions.merge(self.opts, pulumi.ResourceOptions(aliases=aliases))

    def alerts(self, alerts: CrashAlertsSettings, namespace_id: pulumi.Output[str]) -> CrashAlerts:
        """Registers the job that reports crashes of a namespace's containers."""
        environment = self._settings.environment.name
        return CrashAlerts(
            naming.ALERTS_JOB,
            CrashAlertsArgs(
                job_name=naming.job(environment, naming.ALERTS_JOB),
                environment=environment,
                project_id=self._foundation.project_id,
                namespace_id=namespace_id,
                image=self.image(alerts.image).reference,
                document_id=self._secret_id,
                access_id=self._alerts_access(),
                webhook_key=alerts.webhook,
                interval_minutes=alerts.interval_minutes,
            ),
            self.opts,
        )

    def _alerts_access(self) -> pulumi.Output[str]:
        """The id of the secret with the job's credentials; fails with `pulumi.RunError` if it has no version."""
        environment = self._settings.environment
        secret = naming.alerts_secret(environment.name)
        return _written(self._foundation.alerts_secret_id, secret, "the crash alerts", environment.foundation)

    def _checks(self) -> pulumi.Output[list[pulumi.Resource]]:
        """An empty list of dependencies that resolves once all checks have passed. Unknown values are not checked."""
        zone = [self._zone] if self._zone is not None else []
        return pulumi.Output.all(self._document.is_valid, self._foundation.registry_endpoint, *zone).apply(lambda _: [])

    def image(self, name: str) -> RunningImage:
        """An image from the settings. It is built at most once, even if several apps run it."""
        if name not in self.images:
            image = self._settings.images[name]
            self.images[name] = self._pinned(name, image) if isinstance(image, Image) else self._built(name)
        return self.images[name]

    def _pinned(self, name: str, image: Image) -> RunningImage:
        endpoint = self._foundation.registry_endpoint
        reference = endpoint.apply(lambda registry: naming.image(registry, name, image.digest))
        return RunningImage(image.version, image.digest, reference)

    def _built(self, name: str) -> RunningImage:
        # Imported here, because only stacks that build images need git and the Docker package.
        from infra.components.images import AppImage, AppImageArgs
        from infra.images.working_copy import WorkingCopy

        if self._sources is None:
            self._sources = WorkingCopy(self._project)
        _refuse_secrets(name, self._sources)
        inputs, folder = self._sources.keep_context(name, self._project / ".local" / "contexts")
        # The Docker plugin runs in the project's folder, like the program. The path is an input that is stored in the
        # state, so it must be the same on every machine.
        context = Path(os.path.relpath(folder.resolve()))
        built = AppImage(
            name,
            AppImageArgs(
                repository=self._foundation.registry_endpoint.apply(lambda registry: f"{registry}/{name}"),
                tag=inputs.version,
                context=context.as_posix(),
                dockerfile=(context / inputs.dockerfile).as_posix(),
                arguments={**inputs.arguments, "VERSION": inputs.version},
                network=self._sources.sources.network,
                # Set only in a local stack's file, where it is fake: a real key must never end up in the state.
                registry_password=pulumi.Config("scaleway").get("secretKey"),
            ),
            self.opts,
        )
        return RunningImage(inputs.version, built.digest, built.reference)

    def _plain(self, consumer: str) -> dict[str, pulumi.Input[str]]:
        """The plain variables of an app or job. Values from the secret document remain secret outputs."""
        variables = self._variables[consumer]
        written = {
            name: self.urls[value.url] if isinstance(value, AppUrl) else value
            for name, value in variables.plain.items()
        }
        return {**written, **self._from_document(variables.document)}

    def _from_document(self, variables: Mapping[str, str]) -> dict[str, pulumi.Input[str]]:
        return {name: self._document.value(key) for name, key in variables.items()}


def _written(secret_id: pulumi.Output[str], name: str, users: str, foundation: str) -> pulumi.Output[str]:
    """The id of a secret with an API key; fails with `pulumi.RunError` if it has no version."""

    def check(is_written: bool, secret_id: str) -> str:
        if not is_written:
            raise pulumi.RunError(
                f"the secret {name} has no version, so {users} have no API key: run `scripts/snu keys store "
                f"{foundation}`"
            )
        return secret_id

    return pulumi.Output.all(is_written(secret_id), secret_id).apply(lambda values: check(*values))


def _refuse_secrets(name: str, sources: "WorkingCopy") -> None:
    """Raises `ImageSourceError` if the build needs secrets, which Pulumi's Docker provider cannot pass to it."""
    if name in sources.sources.images and (secrets := sources.sources.images[name].secrets):
        raise ImageSourceError(
            f"{name}: the build needs secrets ({', '.join(each.id for each in secrets)}), which Pulumi's Docker "
            "provider cannot pass to it. Remove `build` from snu:images, and run `scripts/snu images build STACK`"
        )


def _probe(probe: Probe) -> ContainerProbe:
    return ContainerProbe(
        path=probe.path, interval=probe.interval, timeout=probe.timeout, failure_threshold=probe.failure_threshold
    )
