"""What a stack's YAML may say, as types. `docs/reference/settings.md` is generated from them."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, SecretStr, Tag
from pydantic.alias_generators import to_camel

from infra import naming
from infra.settings import limits
from scaleway_facts import limits as scaleway


class Settings(BaseModel):
    """Immutable, written in camelCase, without unknown keys, without silent conversions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, validate_by_name=False
    )


# --- Any stack ----------------------------------------------------------------------------------


class ProviderSettings(Settings):
    """The provider, in any stack."""

    namespace: ClassVar[str] = "scaleway:"

    region: Literal["fr-par", "nl-ams", "pl-waw"] | None = Field(
        default=None, description="The region; without it, the one in the environment or the profile."
    )
    zone: limits.ProviderZone | None = Field(
        default=None, description="The availability zone, in the region; without it, as for the region."
    )
    organization_id: limits.Uuid | None = Field(default=None, description="The organization.")
    project_id: limits.Uuid | None = Field(
        default=None, description="The project of resources that name none; without it, the organization's default."
    )
    profile: Annotated[str, Field(min_length=1), limits.Allowed("the name of a profile")] | None = Field(
        default=None, description="A profile in Scaleway's own configuration file."
    )
    api_url: limits.Url | None = Field(default=None, description="The API's address, for the local Scaleway only.")
    access_key: str | None = Field(default=None, description="An access key, for the local Scaleway only.")
    secret_key: SecretStr | None = Field(
        default=None, strict=False, description="The key's secret, for the local Scaleway only."
    )


class Plans(Settings):
    """Who may plan and who may apply (`snu plan`, `snu apply`): the public halves of their keys."""

    planners: Annotated[dict[limits.Name, limits.PlanSigner], limits.Allowed("at least one planner")] = Field(
        min_length=1, description="By name, who may sign a plan."
    )
    appliers: Annotated[dict[limits.Name, limits.PlanRecipient], limits.Allowed("at least one applier")] = Field(
        min_length=1, description="By name, who can decrypt a plan, and so apply it."
    )
    expire_after: limits.PlanHours = Field(default=24, description="Hours after which a plan is refused.")


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
"""The rules of `policy/rules.py`."""


class PolicyExemption(Settings):
    """A resource that a rule is not held against."""

    rule: PolicyRule = Field(description="The rule; `docs/reference/policies.md` describes each.")
    resource: Annotated[str, Field(min_length=1), limits.Allowed("the name of a resource of the program")] = Field(
        description="The resource's name in the program, as previews show it: `api-container`."
    )
    property: Annotated[str, Field(min_length=1), limits.Allowed("a property, as the violation names it")] | None = (
        Field(
            default=None,
            description="Only this property of it, like `environmentVariables.PUBLIC_TOKEN`. Without it, all.",
        )
    )
    reason: limits.Reason = Field(description="Why this is right, for whoever reads it a year later.")


class Policies(Settings):
    """The policies that the stack's resources are held to, and where they are not."""

    exemptions: list[PolicyExemption] = Field(
        default=[], description="What is allowed all the same. One that fits nothing is reported."
    )


# --- Environments -------------------------------------------------------------------------------


class EnvironmentState(Settings):
    """Where the stack's state is kept."""

    backend: Literal["foundation", "file"] = Field(
        default="foundation",
        description="`foundation`: where the foundation keeps it for this environment; its address, login and "
        "passphrase are read from the secret `snu-<environment>-state`. `file`: `.local/state` of this checkout, "
        "for the local Scaleway only, where it is the default.",
    )


class EnvironmentIdentity(Settings):
    """Which environment a stack is, and on which foundation it stands."""

    name: limits.Name = Field(
        description="The environment's name in all live names: `staging` (whatever the stack is called)."
    )
    foundation: limits.StackName = Field(description="The stack that owns the project, registry and secret document.")
    preview_of: limits.Name | None = Field(
        default=None,
        description="Makes it a preview of that environment: its registry, a copy of its secret document, "
        "the foundation's shared container namespace.",
    )


class AppUrl(Settings):
    """A variable's value that is the URL of an app."""

    url: limits.Name = Field(description="The app whose URL it is.")


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
            limits.Allowed("a name, or one {NAME: KEY} where the document's key has another name"),
        ],
        Tag("renamed"),
    ],
    Discriminator(_taken_kind),
]
"""A variable taken from the secret document: a name, or `{NAME: KEY}`."""


class Variables(Settings):
    """The variables of an app or job."""

    variables_from: limits.Name | None = Field(
        default=None,
        description="An app whose variables it takes first; what it declares itself goes before.",
    )
    variables: dict[limits.VariableName, Variable] = Field(
        default={},
        max_length=scaleway.VARIABLES.most,
        description="Plain variables: a text, or `{url: <app>}`. Numbers and `true` are to be quoted.",
    )
    document_variables: list[TakenVariable] = Field(
        default=[],
        max_length=scaleway.VARIABLES.most,
        description="Variables whose values come from the secret document and that the platform keeps as "
        "plain ones: a name, or `{NAME: KEY}`.",
    )


_RENAMED = "it was renamed: see `docs/how-to/renaming.md`. Remove it once every stack with this entry has been updated."


class Probe(Settings):
    """How the platform checks a container's health. `docs/reference/limits.md` lists what a failure leads to."""

    path: limits.HttpPath | None = Field(
        default=None, description="Asked over HTTP; without it, a TCP connection is enough."
    )
    interval: limits.ProbeSeconds = Field(default=10, description="Seconds between two probes.")
    timeout: limits.ProbeSeconds = Field(default=1, description="Seconds until a probe counts as failed.")
    failure_threshold: limits.FailureThreshold = Field(
        default=3, description="Failures in a row that make the container unwell."
    )


DEFAULT_PROBE = Probe.model_validate({"failureThreshold": 30})
"""What the platform itself checks by default: a TCP connection every 10 s, for up to 30 failures in a row.

Source: Scaleway, "Containers - Concepts", Health check (2025-05-26), and the answer of the API for a container without
probes.
"""


class App(Variables):
    """A container that answers requests."""

    name: limits.Name | None = Field(
        default=None, description="The container's name on the platform. Default: `<environment>-<key>`."
    )
    renamed_from: limits.Name | None = Field(default=None, description=f"The app's key before {_RENAMED}")
    cpu: limits.Cpu = Field(description="Processor, in thousandths of a vCPU.")
    memory: limits.Memory = Field(description="Memory in MB.")
    min_scale: limits.MinScale = Field(default=0, description="Instances that always run.")
    max_scale: limits.MaxScale = Field(default=1, description="Instances at most.")
    concurrency: limits.Concurrency = Field(
        default=50, description="Concurrent requests of an instance above which another one starts."
    )
    timeout: limits.RequestTimeout = Field(default=300, description="Seconds a request may take.")
    port: limits.Port = Field(default=8080, description="The port that the process listens on.")
    protocol: Literal["http1", "h2c"] = Field(default="http1", description="What the process speaks.")
    privacy: Literal["public", "private"] = Field(default="public", description="`private`: requests need a token.")
    sandbox: Literal["v1", "v2"] = Field(default="v2", description="The isolation of its processes; `v2` is gVisor.")
    host: limits.Host | None = Field(default=None, description="The host name of its own.")
    image: limits.Name | None = Field(
        default=None, description="The key in `snu:images` that it runs; its own name if not given."
    )
    secret_variables: list[TakenVariable] = Field(
        default=[],
        max_length=scaleway.SECRET_VARIABLES.most,
        description="Variables whose values come from the secret document and that the platform keeps "
        "secret: a name, or `{NAME: KEY}`.",
    )
    liveness_probe: Probe = Field(
        default=DEFAULT_PROBE,
        description="Checked as long as the container runs. On failure the instance gets no traffic; it is not "
        "restarted.",
    )
    startup_probe: Probe = Field(
        default=DEFAULT_PROBE,
        description="Checked until it succeeds once. A start takes up to one interval longer than the process needs: "
        "give apps that scale from zero a short one.",
    )
    version_path: limits.HttpPath | None = Field(
        default=None,
        description="Where it says which version it is: a JSON object with the key `version`. A deploy is good only "
        "when that is the version in `snu:images`.",
    )


class Schedule(Settings):
    """When a job starts by itself."""

    cron: Annotated[str, Field(pattern=r"^\S+( \S+){4}$"), limits.Allowed("five cron fields, like `0 4 * * *`")] = (
        Field(description="Minute, hour, day of the month, month, day of the week.")
    )
    timezone: Annotated[
        str, Field(pattern=r"^[A-Za-z_+-]+(/[A-Za-z0-9_+-]+)*$"), limits.Allowed("a time zone's name")
    ] = Field(default="Europe/Paris", description="The time zone of the schedule.")


class Job(Variables):
    """A container that runs to its end, on a schedule or when someone starts it."""

    name: limits.JobKey | None = Field(
        default=None, description="Its name on the platform; `<environment>-<key>` if not given."
    )
    renamed_from: limits.JobKey | None = Field(default=None, description=f"The job's key before {_RENAMED}")
    cpu: limits.JobCpu = Field(description="Processor, in thousandths of a vCPU.")
    memory: limits.JobMemory = Field(description="Memory in MB.")
    storage: limits.JobStorage = Field(default=1000, description="Local storage in MB.")
    timeout: limits.JobTimeout = Field(description="Seconds after which a run is stopped.")
    image: limits.Name = Field(description="The key in `snu:images` that it runs.")
    command: list[str] = Field(default=[], description="The command, where the image's is not wanted.")
    args: list[str] = Field(default=[], description="The command's arguments.")
    schedule: Schedule | None = Field(default=None, description="Without it, people start the job.")


class Image(Settings):
    """The version of an image that an environment runs."""

    version: limits.Version = Field(description="The app's version, for people; the digest decides.")
    digest: limits.Digest = Field(description="The digest of the image's manifest.")


class Previews(Settings):
    """Preview environments of an environment: which branches get one, and how long it stays."""

    label: str | None = Field(
        default=None,
        min_length=1,
        description="Only pull requests with this label get one; without it, all do but those whose branch is called "
        "`no-ci-…`, `…-no-ci` or `…-no-ci-…`.",
    )
    expire_after: limits.PreviewHours = Field(
        default=168, description="Hours without an update after which `snu env sweep` takes one down."
    )
    keep_label: str = Field(default="persist", min_length=1, description="Pull requests with it keep theirs.")


class CrashAlertsSettings(Settings):
    """A job that reads the containers' logs and tells Slack of crashes, restart loops and failed deploys."""

    image: limits.Name = Field(default="crash-alerts", description="The key in `snu:images` that it runs.")
    interval_minutes: limits.AlertMinutes = Field(
        default=5, description="Minutes from run to run. A crash is told within two of these intervals."
    )
    webhook: limits.DocumentKey = Field(description="The key of the secret document with the Slack webhook's address.")

    @property
    def job(self) -> Job:
        """The job that does it: so much is enough for any number of crashes."""
        schedule = Schedule(cron=f"*/{self.interval_minutes} * * * *", timezone="UTC")
        return Job(cpu=140, memory=256, timeout=300, image=self.image, schedule=schedule)


def _image_kind(value: Any) -> str:
    return "pinned" if isinstance(value, Mapping | Image) else "built"


RunImage = Annotated[
    Annotated[Image, Tag("pinned")] | Annotated[Literal["build"], Tag("built")],
    Discriminator(_image_kind),
]
"""An image that runs: a version with its digest, or `build`."""


class EnvironmentSettings(Settings):
    """A stack of the blueprint `environment`."""

    blueprint: Literal["environment"] = Field(description="`environment`.")
    protect: bool = Field(default=False, description="Refuse to delete or replace any of the stack's resources.")
    plans: Plans | None = Field(default=None, description="Who may plan and apply. Without it, `snu plan` refuses.")
    policies: Policies = Field(default=Policies(), description="Exemptions from the policies.")
    state: EnvironmentState | None = Field(default=None, description="Where the stack's state is kept.")
    environment: EnvironmentIdentity = Field(description="Which environment it is.")
    zone: limits.Zone | None = Field(
        default=None,
        description="The foundation's DNS zone: hosts inside it get a record. Without it, records are "
        "managed elsewhere.",
    )
    url_template: limits.UrlTemplate = Field(
        default="https://{host}",
        description="What the URL of a host is. With `https`, plain HTTP is redirected.",
    )
    promote_from: limits.StackName | None = Field(
        default=None,
        description="The stack whose images it takes over. A stack that says so never builds: its `snu:images` are "
        "written by a promotion.",
    )
    images: dict[limits.Name, RunImage] = Field(
        description="The images that run, by name: version and digest, or `build` for one that `images.yaml` describes "
        "and that Pulumi is to build with Docker. `build` alone stands for all. What `snu images build` has built for "
        "the stack (`.local/images/<stack>.yaml`) goes before what is written here."
    )
    previews: Previews | None = Field(
        default=None, description="Where the environment has previews (`snu env`): their rules."
    )
    apps: dict[limits.Name, App] = Field(default={}, description="The containers, by name.")
    jobs: dict[limits.JobKey, Job] = Field(default={}, description="The jobs, by key.")
    crash_alerts: CrashAlertsSettings | None = Field(
        default=None,
        description="Crash alerts in Slack: see `docs/how-to/crash-alerts.md`. Without it there are none.",
    )

    def container_name(self, app: str) -> str:
        """The platform's name of an app's container."""
        return self.apps[app].name or naming.container(self.environment.name, app)

    def job_name(self, job: str) -> str:
        """The platform's name of a job's definition."""
        return self.jobs[job].name or naming.job(self.environment.name, job)

    @property
    def pinned(self) -> dict[str, Image]:
        """The images that are named by version and digest."""
        return {name: image for name, image in self.images.items() if isinstance(image, Image)}


# --- Foundations --------------------------------------------------------------------------------


class Project(Settings):
    """A Scaleway project."""

    name: limits.Name = Field(description="The project's name without `snu-`.")
    description: str = Field(default="", description="Shown in the console.")


class ServerlessBackend(Settings):
    """A Serverless SQL database: paid by use, reached with an IAM application of its own."""

    kind: Literal["serverless"] = Field(description="`serverless`.")
    min_cpu: limits.ServerlessCpu = Field(default=0, description="vCPUs that always run; 0 lets it sleep.")
    max_cpu: limits.ServerlessCpu = Field(default=1, description="vCPUs at most.")


class InstanceBackend(Settings):
    """A PostgreSQL instance of its own, encrypted at rest, with backups. Needs `snu:databasePasswords`, and either
    `allowedRanges` or `privateNetwork`."""

    kind: Literal["instance"] = Field(description="`instance`.")
    allowed_ranges: list[limits.Network] = Field(
        default=[], description="Networks that may connect to its public endpoint. Everything else is blocked."
    )
    open_for_runs: bool = Field(
        default=False,
        description="Let each run of `snu` add its own address to the allowed ranges and remove it when it ends. The "
        "applications that deploy or preview get `RelationalDatabasesFullAccess` for it.",
    )
    private_network: limits.Uuid | None = Field(
        default=None,
        description="Private network in which it has its only endpoint; it then has no public one. Not supported by "
        "the local Scaleway.",
    )
    node_type: str = Field(default="DB-DEV-S", description="The size of the instance.")
    engine: str = Field(default="PostgreSQL-15", description="The engine and its version.")
    volume_size: limits.VolumeSize = Field(default=10, description="Storage in GB.")
    backup_frequency: limits.BackupHours = Field(default=24, description="Hours between two backups.")
    backup_retention: limits.BackupDays = Field(default=30, description="Days a backup is kept.")


class BucketBackend(Settings):
    """A bucket of its own, versioned, which `snu bootstrap` makes, and an IAM application that uses it."""

    kind: Literal["bucket"] = Field(description="`bucket`.")


Backend = Annotated[ServerlessBackend | InstanceBackend | BucketBackend, Discriminator("kind")]


class FoundationState(Settings):
    """Where the stack's own state is kept."""

    backend: Literal["bucket", "file"] = Field(
        default="bucket",
        description="`bucket`: in object storage, in the organization's default project. `file`: `.local/state` of "
        "this checkout, for the local Scaleway only, where it is the default.",
    )
    bucket: limits.BucketName | None = Field(
        default=None, description="The bucket's name; `snu-state-<project>` if not given."
    )


class InitialDocument(Settings):
    """A secret that exists already and that a new secret document starts from."""

    secret: Annotated[str, Field(min_length=1), limits.Allowed("the name of a secret")] = Field(
        description="The name of the existing secret."
    )
    project: Annotated[
        str,
        Field(pattern=r"^(default|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$"),
        limits.Allowed("`default` or a project's UUID"),
    ] = Field(default="default", description="Its project: a UUID, or `default` for the organization's.")


class SecretDocument(Settings):
    """The secret document of an environment."""

    initial: InitialDocument | None = Field(
        default=None,
        description="What its first version is copied from; later edits are left alone. Without it, people "
        "write the first version.",
    )


class FoundationEnvironment(Settings):
    """What a foundation holds for one environment."""

    database: Backend = Field(description="Where Pulumi's state of the environment is kept.")
    former_database: Annotated[ServerlessBackend | InstanceBackend, Discriminator("kind")] | None = Field(
        default=None,
        description="With a `database` of kind `bucket`: the database that the state was kept in, until "
        "`snu state move` has carried it over.",
    )
    secret: SecretDocument = Field(default=SecretDocument(), description="The secret document.")


class Deploy(Settings):
    """What the applications that deploy may read outside of their project."""

    read_registries_of: list[limits.Uuid] = Field(default=[], description="Projects whose images it may copy from.")


class ObservabilitySettings(Settings):
    """Logs and alerts of a project."""

    log_retention: limits.LogRetention = Field(default=7, description="Days that logs are kept.")
    alert_emails: list[limits.Email] = Field(
        default=[], description="Who receives alerts: the platform knows e-mail addresses only."
    )


class DatabasePasswords(Settings):
    """The passwords of an instance's users."""

    administrator: limits.Password = Field(description="Of the administrator that every instance must have.")
    user: limits.Password = Field(description="Of the user that Pulumi logs in with.")
    reader: limits.Password | None = Field(
        default=None,
        description="Of a user that may only read: previews, drift and status log in with it. Without it, they use the "
        "other one.",
    )


class AcceptedOrphan(Settings):
    """Something in the project that no stack has made, and that is there on purpose."""

    id: Annotated[str, Field(min_length=1), limits.Allowed("an id as `snu drift` prints it")] = Field(
        description="Its id, with the region where there is one: `fr-par/1a2b…`."
    )
    reason: Annotated[str, Field(min_length=1), limits.Allowed("a reason, for people")] = Field(
        description="Why it is there."
    )


class Drift(Settings):
    """What `snu drift` finds in the project and does not report."""

    ignore_orphans: list[AcceptedOrphan] = Field(default=[], description="What is in no state on purpose.")


class FoundationSettings(Settings):
    """A stack of the blueprint `foundation`."""

    organization_id: limits.Uuid = Field(
        description="The organization, from `scaleway:organizationId`; policies name it.",
        alias="scaleway:organizationId",
    )
    blueprint: Literal["foundation"] = Field(description="`foundation`.")
    protect: bool = Field(default=False, description="Refuse to delete or replace any of the stack's resources.")
    plans: Plans | None = Field(default=None, description="Who may plan and apply. Without it, `snu plan` refuses.")
    policies: Policies = Field(default=Policies(), description="Exemptions from the policies.")
    state: FoundationState | None = Field(default=None, description="Where the stack's own state is kept.")
    project: Project = Field(description="The Scaleway project.")
    environments: Annotated[dict[limits.Name, FoundationEnvironment], limits.Allowed("at least one environment")] = (
        Field(min_length=1, description="The environments that stand on it, by name.")
    )
    previews: bool = Field(
        default=False,
        description="Own the container namespace that preview environments share, and an application that deploys "
        "them.",
    )
    zone: limits.Zone | None = Field(default=None, description="A DNS zone to own.")
    deploy: Deploy = Field(default=Deploy(), description="The applications that deploy.")
    observability: ObservabilitySettings = Field(default=ObservabilitySettings(), description="Logs and alerts.")
    api_keys_expire_on: limits.Date | None = Field(
        default=None,
        description="The day on which API keys made with `snu keys` expire, for an organization that has set a maximum "
        "duration for keys. After a change run `snu keys store`: see `docs/how-to/api-keys.md`.",
    )
    container_memory_quota: limits.MemoryQuota = Field(
        default=scaleway.CONTAINER_MEMORY_GB.most,
        description="The organization's quota of memory for containers, in GB. Previews warn when the stacks of this "
        "project need more at their maximum scale.",
    )
    object_storage: limits.Url | None = Field(
        default=None, description="Where object storage is, if that is not the platform's own in the region."
    )
    drift: Drift = Field(default=Drift(), description="What `snu drift` passes over.")
    database_passwords: dict[limits.Name, DatabasePasswords] = Field(
        default={},
        description="The passwords of instances, by environment, each set with `pulumi config set --secret "
        "--path 'snu:databasePasswords.<environment>.user'`.",
    )

    @property
    def opens_databases(self) -> bool:
        """Whether runs add their own address to the ACL of a backend database."""
        databases = [each for env in self.environments.values() for each in (env.database, env.former_database)]
        return any(isinstance(each, InstanceBackend) and each.open_for_runs for each in databases)
