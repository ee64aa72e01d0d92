"""The permissions and credentials of the crash alerts job."""

from collections.abc import Callable
from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import secrets

from infra import naming
from infra.components.access import AccessDescriptions, grant, on_projects
from infra.components.observability import Observability
from infra.documents import is_written
from infra.secret_output import secret

PERMISSION_SETS = (
    "ContainersReadOnly",
    # The job creates its bucket: see docs/adr/0013-crash-alerts.md.
    "ObjectStorageBucketsWrite",
    "ObjectStorageObjectsRead",
    "ObjectStorageObjectsWrite",
)
PLATFORM_API = "https://api.scaleway.com"


@dataclass(frozen=True, kw_only=True)
class AlertsAccessArgs:
    """Arguments of `AlertsAccess`."""

    environment: str
    """The environment to monitor."""
    project: str
    """Name of the project without `snu-`."""
    project_id: pulumi.Input[str]
    """Project of the environment."""
    observability: Observability
    """The same project's observability: the data source with the containers' logs, and a token that can query it."""
    protected: bool
    """Whether Secret Manager prevents the secret from being deleted."""
    api_url: str | None
    """URL of the Scaleway API; None for the default."""
    storage_url: str | None
    """Object storage URL; None for the region's default."""


class AlertsAccess(pulumi.ComponentResource):
    """Permissions and credentials of an environment's crash alerts (`snu:alerts:AlertsAccess`).

    Children:

    - `<name>-application`, `<name>-policy`: an IAM application that reads containers and stores the job's state in a
      bucket
    - `<name>-secret`: the secret that the job reads, a JSON object with string values. `snu keys store` writes its
      versions, which contain an API key; a warning is logged until the first version exists.
    """

    secret_id: pulumi.Output[str]
    """Id of the secret."""
    access: pulumi.Output[dict[str, str]]
    """Content of the secret without the API key, as a secret output."""

    def __init__(self, name: str, args: AlertsAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component and its children."""
        super().__init__("snu:alerts:AlertsAccess", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        grant(
            name,
            naming.alerts_application(args.environment),
            AccessDescriptions(
                f"Detects crashes of {args.environment}",
                f"Allows detecting crashes of {args.environment}",
            ),
            [on_projects([args.project_id], PERMISSION_SETS)],
            child,
        )
        logs = args.observability.platform_logs
        self.access = secret(
            pulumi.Output.all(
                apiUrl=args.api_url or PLATFORM_API,
                region=logs.region,
                logsUrl=logs.url,
                logsToken=args.observability.logs_token,
                retentionDays=logs.retention_days.apply(str),
                storageUrl=args.storage_url or logs.region.apply(lambda region: f"https://s3.{region}.scw.cloud"),
                bucket=naming.alerts_bucket(args.project, args.environment),
            )
        )
        holder = secrets.Secret(
            f"{name}-secret",
            name=naming.alerts_secret(args.environment),
            description=f"Configuration and credentials for the crash alerts of {args.environment}",
            type="opaque",
            protected=args.protected,
            project_id=args.project_id,
            opts=child,
        )
        self.secret_id = holder.id
        written = is_written(holder.id).apply(self._warn(holder, naming.alerts_secret(args.environment)))
        self.register_outputs({"secretId": self.secret_id, "isWritten": written})

    @staticmethod
    def _warn(holder: secrets.Secret, name: str) -> Callable[[bool], bool]:
        def warn(is_written: bool) -> bool:
            if not is_written:
                pulumi.log.warn(
                    f"the secret {name} has no version yet: run `scripts/snu keys store {pulumi.get_stack()}` to "
                    "create and store the API key for the crash alerts",
                    holder,
                )
            return is_written

        return warn
