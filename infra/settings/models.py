"""The settings of a stack file, as pydantic models. `docs/reference/settings.md` is generated from them."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, SecretStr, Tag
from pydantic.alias_generators import to_camel

from infra import naming
from infra.components import defaults
from infra.settings import limits
from scaleway_facts import limits as scaleway


class Settings(BaseModel):
    """Base model: immutable, camelCase keys, no unknown keys, no implicit conversions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, validate_by_name=False
    )


# --- Any stack ----------------------------------------------------------------------------------


class ProviderSettings(Settings):
    """Provider settings for any stack."""

    namespace: ClassVar[str] = "scaleway:"

    region: Literal["fr-par", "nl-ams", "pl-waw"] | None = Field(
        default=None, description="The region. Default: taken from the environment or the profile."
    )
    zone: limits.ProviderZone | None = Field(
        default=None,
        description="The availability zone; must be in the region. Default: taken from the environment or the profile.",
    )
    organization_id: limits.Uuid | None = Field(default=None, description="The organization.")
    project_id: limits.Uuid | None = Field(
        default=None,
        description="The project for resources that do not set one. Default: the organization's default project.",
    )
    profile: Annotated[str, Field(min_length=1), limits.Allowed("the name of a profile")] | None = Field(
        default=None, description="The profile to use from Scaleway's configuration file."
    )
    api_url: limits.Url | None = Field(default=None, description="API address; for the local Scaleway only.")
    access_key: str | None = Field(default=None, description="Access key; for the local Scaleway only.")
    secret_key: SecretStr | None = Field(
        default=None, strict=False, description="Secret key; for the local Scaleway only."
    )


class Plans(Settings):
    """Public keys of planners, who create plans (`snu plan`), and appliers, who apply them (`snu apply`)."""

    planners: Annotated[dict[limits.Name, limits.PlanSigner], limits.Allowed("at least one planner")] = Field(
        min_length=1, description="Signing keys of the planners, by name. A plan signed by any other key is rejected."
    )
    appliers: Annotated[dict[limits.Name, limits.PlanRecipient], limits.Allowed("at least one applier")] = Field(
        min_length=1,
        description="Encryption keys of the appliers, by name. Only the appliers can decrypt and apply a plan.",
    )
    expire_after: limits.PlanHours = Field(default=24, description="Hours after which a plan expires.")


PolicyRule = Literal[
    "encryption-at-rest",
    "image-by-digest",
    "least-privilege",
    "limits",
    "no-public-database",
    "plain-variables",
    "private-registry",
    "protection",
]
"""The rules in `policy/rules.py`."""


class ResourceExemption(Settings):
    """A resource that is exempt from a given policy rule."""

    resource: Annotated[str, Field(min_length=1), limits.Allowed("the name of a resource in the program")] = Field(
        description="The resource's name in the program, as shown in previews: `api-container`."
    )
    property: Annotated[str, Field(min_length=1), limits.Allowed("a property, as named in the violation")] | None = (
        Field(
            default=None,
            description="The only property to exempt, such as `environmentVariables.PUBLIC_TOKEN`. Default: all.",
        )
    )
    reason: limits.Reason = Field(description="Why the exemption is justified.")


class PolicyExemption(ResourceExemption):
    """A resource that is exempt from a policy rule."""

    rule: PolicyRule = Field(description="The rule: see `docs/reference/policies.md`.")


class Policies(Settings):
    """Exemptions from the policies that apply to the stack's resources."""

    exemptions: list[PolicyExemption] = Field(
        default=[], description="Violations to allow. Unused exemptions are reported."
    )


# --- Environments -------------------------------------------------------------------------------


class EnvironmentState(Settings):
    """The backend of the stack's state."""

    backend: Literal["foundation", "file"] = Field(
        default="foundation",
        description="`foundation`: the backend that the foundation provides for this environment; its address, login "
        "and passphrase are read from the secret `snu-<environment>-state`. `file`: `.local/state` in this checkout; "
        "for the local Scaleway only, where it is the default.",
    )


class EnvironmentIdentity(Settings):
    """The environment's name and its foundation."""

    name: limits.Name = Field(
        description="The environment's name as used in the names of live resources, such as `staging`. May differ from "
        "the stack's name."
    )
    foundation: limits.StackName = Field(description="The stack that owns the project, registry and secret document.")
    preview_of: limits.Name | None = Field(
        default=None,
        description="Environment that this stack is a preview of. The stack uses that environment's registry, a copy "
        "of its secret document, and the foundation's shared container namespace.",
    )


class AppUrl(Settings):
    """A variable whose value is the URL of an app."""

    url: limits.Name = Field(description="The app whose URL is the value. The app must have a `host`.")


def _variable_kind(value: Any) -> str:
    return "url" if isinstance(value, Mapping | AppUrl) else "text"


Variable = Annotated[
    Annotated[limits.VariableValue, Tag("text")] | Annotated[AppUrl, Tag("url")],
    Discriminator(_variable_kind),
]


def _taken_kind(value: Any) -> str:
    return "renamed" if isinstance(value, Mapping) else "named"


TakenVariable = Annotated[
    Annotated[limits.VariableName, Tag("named")]
    | Annotated[
        Annotated[
            dict[limits.VariableName, limits.DocumentKey],
            Field(min_length=1, max_length=1),
            limits.Allowed("a variable's name, or {NAME: KEY} if the document's key has a different name"),
        ],
        Tag("renamed"),
    ],
    Discriminator(_taken_kind),
]
"""A variable read from the secret document: its name, or `{NAME: KEY}`."""


class Variables(Settings):
    """The variables of an app or job."""

    variables_from: limits.Name | None = Field(
        default=None,
        description="App whose variables are inherited. Variables declared here take precedence.",
    )
    variables: dict[limits.VariableName, Variable] = Field(
        default={},
        max_length=scaleway.VARIABLES.most,
        description="Plain variables: a string, or `{url: <app>}`. Quote numbers and booleans.",
    )
    document_variables: list[TakenVariable] = Field(
        default=[],
        max_length=scaleway.VARIABLES.most,
        description="Variables read from the secret document but stored as plain variables on the platform: a name, "
        "or `{NAME: KEY}`.",
    )


_RENAMED = (
    "it was renamed: see `docs/how-to/renaming.md`. Remove this setting once every stack that has it has been updated."
)


class Probe(Settings):
    """A health check of a container. `docs/reference/limits.md` describes what happens when a probe fails."""

    path: limits.HttpPath | None = Field(
        default=None, description="HTTP request path. If unset, the probe opens a TCP connection."
    )
    interval: limits.ProbeSeconds = Field(default=defaults.PROBE_INTERVAL, description="Seconds between probes.")
    timeout: limits.ProbeSeconds = Field(
        default=defaults.PROBE_TIMEOUT, description="Seconds after which a probe times out."
    )
    failure_threshold: limits.FailureThreshold = Field(
        default=defaults.PROBE_FAILURES,
        description="Consecutive failures after which the container is considered unhealthy.",
    )


DEFAULT_PROBE = Probe.model_validate({"failureThreshold": defaults.PLATFORM_PROBE_FAILURES})
"""The platform's default: a TCP connection every 10 s, unhealthy after 30 consecutive failures."""


class AppCommand(Settings):
    """A command that runs as a job with an app's image, CPU and memory limits, and its plain and document variables."""

    command: Annotated[list[str], limits.Allowed("a list of the program and its arguments")] = Field(
        min_length=1, description="The program and its arguments; run without a shell."
    )
    timeout: limits.JobTimeout = Field(
        default=defaults.RELEASE_TIMEOUT, description="Seconds after which the run is stopped and has failed."
    )
    document_variables: list[TakenVariable] = Field(
        default=[],
        max_length=scaleway.VARIABLES.most,
        description="Further variables read from the secret document: a name, or `{NAME: KEY}`. Jobs have no secret "
        "variables, so list those of the app that the command needs: anyone who can read jobs can read them.",
    )


class App(Variables):
    """A container that serves requests."""

    name: limits.Name | None = Field(
        default=None, description="The container's name on the platform. Default: `<environment>-<key>`."
    )
    renamed_from: limits.Name | None = Field(default=None, description=f"The app's key before {_RENAMED}")
    cpu: limits.Cpu = Field(description="CPU limit, in thousandths of a vCPU.")
    memory: limits.Memory = Field(description="Memory limit in MB.")
    min_scale: limits.MinScale = Field(default=defaults.MIN_SCALE, description="Minimum number of instances.")
    max_scale: limits.MaxScale = Field(default=defaults.MAX_SCALE, description="Maximum number of instances.")
    concurrency: limits.Concurrency = Field(
        default=defaults.CONCURRENCY,
        description="Concurrent requests per instance above which another instance starts.",
    )
    timeout: limits.RequestTimeout = Field(default=defaults.REQUEST_TIMEOUT, description="Request timeout in seconds.")
    port: limits.Port = Field(default=defaults.PORT, description="Port on which the process listens.")
    protocol: Literal["http1", "h2c"] = Field(default=defaults.PROTOCOL, description="Protocol that the process uses.")
    privacy: Literal["public", "private"] = Field(
        default=defaults.PRIVACY, description="`private`: requests require a token."
    )
    sandbox: Literal["v1", "v2"] = Field(
        default=defaults.SANDBOX, description="Sandbox of the instances; `v2` is gVisor."
    )
    host: limits.Host | None = Field(default=None, description="The app's host name.")
    image: limits.Name | None = Field(
        default=None, description="Image to run: a key in `snu:images`. Default: the app's own key."
    )
    secret_variables: list[TakenVariable] = Field(
        default=[],
        max_length=scaleway.SECRET_VARIABLES.most,
        description="Variables read from the secret document and stored as secret variables on the platform: a name, "
        "or `{NAME: KEY}`.",
    )
    liveness_probe: Probe = Field(
        default=DEFAULT_PROBE,
        description="Runs throughout the container's lifetime. If the probe fails, the instance receives no more "
        "traffic but is not restarted.",
    )
    startup_probe: Probe = Field(
        default=DEFAULT_PROBE,
        description="Runs until it first succeeds, which delays each start by up to one interval: use a short "
        "interval for apps that scale from zero.",
    )
    version_path: limits.HttpPath | None = Field(
        default=None,
        description="Path of the version endpoint, which returns a JSON object with the key `version`. A deployment "
        "succeeds only if the endpoint returns the version in `snu:images`.",
    )
    release: AppCommand | None = Field(
        default=None,
        description="Runs with the new image before the container changes, once for each image digest. If it fails, "
        "the container is not changed. See `docs/how-to/apps.md`.",
    )
    seed: AppCommand | None = Field(
        default=None,
        description="Preview environments only. Runs once, after `release` and before the container is created.",
    )

    @property
    def commands(self) -> dict[str, AppCommand]:
        """The commands that run before the container changes, in order, by the suffix of their jobs' keys."""
        commands = {"release": self.release, "seed": self.seed}
        return {name: command for name, command in commands.items() if command is not None}


class Schedule(Settings):
    """A job's schedule."""

    cron: Annotated[str, Field(pattern=r"^\S+( \S+){4}$"), limits.Allowed("five cron fields, like `0 4 * * *`")] = (
        Field(description="Minute, hour, day of the month, month, day of the week.")
    )
    timezone: Annotated[
        str, Field(pattern=r"^[A-Za-z_+-]+(/[A-Za-z0-9_+-]+)*$"), limits.Allowed("a time zone's name")
    ] = Field(default="Europe/Paris", description="The time zone of the schedule.")


class Job(Variables):
    """A container that runs to completion, on a schedule or when started manually."""

    name: limits.JobKey | None = Field(
        default=None, description="The job's name on the platform. Default: `<environment>-<key>`."
    )
    renamed_from: limits.JobKey | None = Field(default=None, description=f"The job's key before {_RENAMED}")
    cpu: limits.JobCpu = Field(description="CPU limit, in thousandths of a vCPU.")
    memory: limits.JobMemory = Field(description="Memory limit in MB.")
    storage: limits.JobStorage = Field(default=defaults.JOB_STORAGE, description="Local storage in MB.")
    timeout: limits.JobTimeout = Field(description="Seconds after which a run is stopped.")
    image: limits.Name = Field(description="Image to run: a key in `snu:images`.")
    command: list[str] = Field(default=[], description="Command to run instead of the image's.")
    args: list[str] = Field(default=[], description="Command arguments.")
    schedule: Schedule | None = Field(
        default=None, description="When the job runs. If unset, the job must be started manually."
    )


class Image(Settings):
    """The version of an image that an environment runs."""

    version: limits.Version = Field(description="The app's version. Informational: the digest determines what runs.")
    digest: limits.Digest = Field(description="The digest of the image's manifest.")


class Previews(Settings):
    """Preview environments: which pull requests get one, and when they expire."""

    label: str | None = Field(
        default=None,
        min_length=1,
        description="Only pull requests with this label get a preview environment. If unset, all pull requests get "
        "one, except those from a branch named `no-ci-…`, `…-no-ci` or `…-no-ci-…`.",
    )
    expire_after: limits.PreviewHours = Field(
        default=168, description="Hours without an update after which `snu env sweep` removes a preview environment."
    )
    keep_label: str = Field(
        default="persist",
        min_length=1,
        description="Preview environments of pull requests with this label never expire.",
    )


class CrashAlertsSettings(Settings):
    """A job that reads the containers' logs and reports crashes, restart loops and failed deployments to Slack."""

    image: limits.Name = Field(default="crash-alerts", description="Image to run: a key in `snu:images`.")
    interval_minutes: limits.AlertMinutes = Field(
        default=defaults.ALERTS_INTERVAL, description="Minutes between runs. A crash is reported within two intervals."
    )
    webhook: limits.DocumentKey = Field(description="Key of the Slack webhook URL in the secret document.")


def _image_kind(value: Any) -> str:
    return "pinned" if isinstance(value, Mapping | Image) else "built"


RunImage = Annotated[
    Annotated[Image, Tag("pinned")] | Annotated[Literal["build"], Tag("built")],
    Discriminator(_image_kind),
]
"""An image to run: a version with its digest, or `build`."""


class EnvironmentSettings(Settings):
    """Settings of a stack with the `environment` blueprint."""

    blueprint: Literal["environment"] = Field(description="The stack's blueprint.")
    protect: bool = Field(default=False, description="Prevents the stack's resources from being deleted or replaced.")
    plans: Plans | None = Field(
        default=None, description="Keys of planners and appliers. If unset, `snu plan` is not available."
    )
    policies: Policies = Field(default=Policies(), description="Exemptions from the policies.")
    state: EnvironmentState | None = Field(default=None, description="The backend of the stack's state.")
    environment: EnvironmentIdentity = Field(description="The environment's name and its foundation.")
    zone: limits.Zone | None = Field(
        default=None,
        description="The foundation's DNS zone, in which the apps' hosts get records. A preview warns about hosts "
        "outside of it, except on the local Scaleway. If unset, records are managed outside this project.",
    )
    url_template: limits.UrlTemplate = Field(
        default="https://{host}",
        description="Template for the apps' URLs. With `https`, plain HTTP is redirected.",
    )
    promote_from: limits.StackName | None = Field(
        default=None,
        description="The stack whose images are promoted to this one. A stack with this setting never builds images: "
        "promotions write its `snu:images`.",
    )
    images: dict[limits.Name, RunImage] = Field(
        description="The images to run, by name: a version and digest, or `build` for an image in `images.yaml` that "
        "Pulumi builds with Docker. To build all images, set the key itself to `build`. Images built by `snu images "
        "build` for the stack (`.local/images/<stack>.yaml`) take precedence."
    )
    previews: Previews | None = Field(
        default=None, description="Preview environments (`snu env`). If unset, the environment has none."
    )
    apps: dict[limits.Name, App] = Field(default={}, description="The containers, by app.")
    jobs: dict[limits.JobKey, Job] = Field(default={}, description="The jobs, by key.")
    crash_alerts: CrashAlertsSettings | None = Field(
        default=None,
        description="Crash alerts in Slack: see `docs/how-to/crash-alerts.md`. If unset, crashes are not reported.",
    )

    def container_name(self, app: str) -> str:
        """The name of an app's container on the platform."""
        return self.apps[app].name or naming.container(self.environment.name, app)

    def job_name(self, job: str) -> str:
        """A job definition's name on the platform."""
        return self.jobs[job].name or naming.job(self.environment.name, job)

    @property
    def command_jobs(self) -> dict[str, str]:
        """The names of the jobs of release and seed commands on the platform, by the jobs' keys."""
        keys = [naming.command_job(name, command) for name, app in self.apps.items() for command in app.commands]
        return {key: naming.job(self.environment.name, key) for key in keys}

    @property
    def pinned(self) -> dict[str, Image]:
        """The images specified by version and digest, by name."""
        return {name: image for name, image in self.images.items() if isinstance(image, Image)}


# --- Foundations --------------------------------------------------------------------------------


class Project(Settings):
    """A Scaleway project."""

    name: limits.Name = Field(description="The project's name without `snu-`.")
    description: str = Field(default="", description="Description shown in the console.")


class ServerlessBackend(Settings):
    """A Serverless SQL database, billed by usage and accessed through a dedicated IAM application."""

    kind: Literal["serverless"] = Field(description="The kind of backend.")
    min_cpu: limits.ServerlessCpu = Field(
        default=defaults.SERVERLESS_MIN_CPU,
        description="Minimum number of vCPUs; if 0, an idle database is suspended.",
    )
    max_cpu: limits.ServerlessCpu = Field(default=defaults.SERVERLESS_MAX_CPU, description="Maximum number of vCPUs.")


class InstanceBackend(Settings):
    """A dedicated PostgreSQL instance, encrypted at rest, with backups. Requires `snu:databasePasswords`, and either
    `allowedRanges` or `privateNetwork`."""

    kind: Literal["instance"] = Field(description="The kind of backend.")
    allowed_ranges: list[limits.Network] = Field(
        default=[], description="Networks that may connect to the public endpoint. All others are blocked."
    )
    open_for_runs: bool = Field(
        default=False,
        description="Whether each run of `snu` adds its own address to the allowed ranges and removes it at the end. "
        "If true, the IAM applications that deploy or preview get `RelationalDatabasesFullAccess`.",
    )
    private_network: limits.Uuid | None = Field(
        default=None,
        description="Private network of the instance's endpoint; if set, the instance has no public endpoint. Not "
        "supported by the local Scaleway.",
    )
    node_type: str = Field(default=defaults.NODE_TYPE, description="Node type of the instance.")
    engine: str = Field(default=defaults.DATABASE_ENGINE, description="Database engine and version.")
    volume_size: limits.VolumeSize = Field(default=defaults.VOLUME_SIZE, description="Storage in GB.")
    backup_frequency: limits.BackupHours = Field(
        default=defaults.BACKUP_FREQUENCY, description="Hours between backups."
    )
    backup_retention: limits.BackupDays = Field(
        default=defaults.BACKUP_RETENTION, description="Backup retention in days."
    )


class BucketBackend(Settings):
    """A dedicated, versioned bucket, created by `snu bootstrap`, and an IAM application that accesses it."""

    kind: Literal["bucket"] = Field(description="The kind of backend.")


Backend = Annotated[ServerlessBackend | InstanceBackend | BucketBackend, Discriminator("kind")]


class FoundationState(Settings):
    """The backend of the foundation's own state."""

    backend: Literal["bucket", "file"] = Field(
        default="bucket",
        description="`bucket`: a bucket in the organization's default project. `file`: `.local/state` in this "
        "checkout; for the local Scaleway only, where it is the default.",
    )
    bucket: limits.BucketName | None = Field(
        default=None, description="The bucket's name. Default: `snu-state-<project>`."
    )


class InitialDocument(Settings):
    """An existing secret from which a new secret document is copied."""

    secret: Annotated[str, Field(min_length=1), limits.Allowed("the name of a secret")] = Field(
        description="The name of the existing secret."
    )
    project: Annotated[
        str,
        Field(pattern=r"^(default|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$"),
        limits.Allowed("`default` or a project's UUID"),
    ] = Field(default="default", description="The secret's project: a UUID, or `default` for the default project.")


class SecretDocument(Settings):
    """The secret document of an environment."""

    initial: InitialDocument | None = Field(
        default=None,
        description="Secret from which the first version is copied; later changes are preserved. If unset, the first "
        "version must be written manually.",
    )


class FoundationEnvironment(Settings):
    """The foundation's resources for one environment."""

    database: Backend = Field(description="The backend of the environment's state.")
    former_database: Annotated[ServerlessBackend | InstanceBackend, Discriminator("kind")] | None = Field(
        default=None,
        description="The previous backend, until `snu state move` has moved the state to a `database` of kind "
        "`bucket`.",
    )
    secret: SecretDocument = Field(default=SecretDocument(), description="The secret document.")
    release_commands: bool = Field(
        default=False,
        description="Creates the IAM application and the secret for the key that starts release and seed commands, "
        "including those of preview environments. Afterwards, run `snu keys store`.",
    )


class Deploy(Settings):
    """The deploy applications' access to other projects."""

    read_registries_of: list[limits.Uuid] = Field(
        default=[], description="Other projects whose registries the deploy applications may read."
    )


class ObservabilitySettings(Settings):
    """Logs and alerts of a project."""

    log_retention: limits.LogRetention = Field(default=7, description="Log retention in days.")
    alert_emails: list[limits.Email] = Field(default=[], description="E-mail addresses that receive alerts.")


class DatabasePasswords(Settings):
    """Passwords of an instance's users."""

    administrator: limits.Password = Field(
        description="Password of the administrator account that every instance must have. Pulumi does not use this "
        "account."
    )
    user: limits.Password = Field(description="Password of the user that Pulumi uses to read and write state.")
    reader: limits.Password | None = Field(
        default=None,
        description="Password of a read-only user for previews, drift checks and status. If unset, these use `user`.",
    )


class AcceptedOrphan(Settings):
    """An unmanaged resource in the project that `snu drift` does not report."""

    id: Annotated[str, Field(min_length=1), limits.Allowed("an id as printed by `snu drift`")] = Field(
        description="The resource's id, including its region if it has one: `fr-par/1a2b…`."
    )
    reason: Annotated[str, Field(min_length=1), limits.Allowed("a reason")] = Field(
        description="Why the resource is unmanaged."
    )


class Drift(Settings):
    """Exceptions for `snu drift`."""

    ignore_orphans: list[AcceptedOrphan] = Field(default=[], description="Unmanaged resources that are not reported.")


class FoundationSettings(Settings):
    """Settings of a stack with the `foundation` blueprint."""

    organization_id: limits.Uuid = Field(
        description="The organization that IAM policies refer to.",
        alias="scaleway:organizationId",
    )
    blueprint: Literal["foundation"] = Field(description="The stack's blueprint.")
    protect: bool = Field(default=False, description="Prevents the stack's resources from being deleted or replaced.")
    plans: Plans | None = Field(
        default=None, description="Keys of planners and appliers. If unset, `snu plan` is not available."
    )
    policies: Policies = Field(default=Policies(), description="Exemptions from the policies.")
    state: FoundationState | None = Field(default=None, description="The backend of the foundation's own state.")
    project: Project = Field(description="The Scaleway project.")
    environments: Annotated[dict[limits.Name, FoundationEnvironment], limits.Allowed("at least one environment")] = (
        Field(min_length=1, description="The environments of this foundation, by name.")
    )
    previews: bool = Field(
        default=False,
        description="Creates the shared container namespace for preview environments and the IAM application that "
        "deploys them.",
    )
    zone: limits.Zone | None = Field(default=None, description="DNS zone to create.")
    deploy: Deploy = Field(default=Deploy(), description="The deploy applications' access to other projects.")
    observability: ObservabilitySettings = Field(default=ObservabilitySettings(), description="Logs and alerts.")
    api_keys_expire_on: limits.Date | None = Field(
        default=None,
        description="Expiration date of API keys created by `snu keys`, for organizations that limit the lifetime of "
        "keys. After changing it, run `snu keys store`: see `docs/how-to/api-keys.md`.",
    )
    container_memory_quota: limits.MemoryQuota = Field(
        default=scaleway.CONTAINER_MEMORY_GB.most,
        description="The organization's memory quota for containers, in GB. Previews warn if the stacks in this "
        "checkout exceed it at their maximum scale.",
    )
    object_storage: limits.Url | None = Field(
        default=None, description="Object storage endpoint. Default: Scaleway's endpoint in the region."
    )
    drift: Drift = Field(default=Drift(), description="Exceptions for `snu drift`.")
    database_passwords: dict[limits.Name, DatabasePasswords] = Field(
        default={},
        description="Passwords of database instances, by environment. Set each password with `pulumi config set "
        "--secret --path 'snu:databasePasswords.<environment>.user'`.",
    )

    @property
    def opens_databases(self) -> bool:
        """Whether runs add their own address to a backend database's ACL."""
        backends = [
            backend
            for environment in self.environments.values()
            for backend in (environment.database, environment.former_database)
        ]
        return any(isinstance(backend, InstanceBackend) and backend.open_for_runs for backend in backends)
