"""What the job that reports crashes may do, and where it finds what it looks at."""

from collections.abc import Callable
from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import secrets

from infra import naming
from infra.components.access import AccessDescriptions, on_projects, permit
from infra.components.observability import Observability
from infra.documents import is_written
from infra.secret_output import secret

LOOK_AND_REMEMBER = (
    "ContainersReadOnly",
    # The job makes its bucket itself: see docs/adr/0013-crash-alerts.md.
    "ObjectStorageBucketsWrite",
    "ObjectStorageObjectsRead",
    "ObjectStorageObjectsWrite",
)
PLATFORM_API = "https://api.scaleway.com"


@dataclass(frozen=True, kw_only=True)
class AlertsAccessArgs:
    """What an `AlertsAccess` is made from."""

    environment: str
    """The environment whose crashes are told."""
    project: str
    """The project's name without `snu-`."""
    project_id: pulumi.Input[str]
    """The project that it belongs to."""
    observability: Observability
    """Of the same project: where the platform writes the containers' logs, and a token that may query them."""
    protected: bool
    """Whether Secret Manager itself refuses to delete the secret."""
    api_url: str | None
    """Of Scaleway's API, where it is another one than the platform's."""
    storage_url: str | None
    """Of object storage, where it is another one than the platform's in the region."""


class AlertsAccess(pulumi.ComponentResource):
    """`snu:alerts:AlertsAccess`, produces:

    - `<name>-application`, `<name>-policy`: looks at containers, and keeps its state in a bucket
    - `<name>-secret`: the secret that the job reads, one JSON object of strings. `snu keys store` writes its versions,
      since they have a key in them; until then there is a warning.
    """

    secret_id: pulumi.Output[str]
    """The id of the secret."""
    access: pulumi.Output[dict[str, str]]
    """What the secret holds besides the key: secret."""

    def __init__(self, name: str, args: AlertsAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("snu:alerts:AlertsAccess", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        permit(
            name,
            naming.alerts_application(args.environment),
            AccessDescriptions(
                f"Looks for crashes of {args.environment}",
                f"Allows to look for crashes of {args.environment}",
            ),
            [on_projects([args.project_id], LOOK_AND_REMEMBER)],
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
            description=f"What the crash alerts of {args.environment} look at, and as whom",
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
                    f"the secret {name} has no version yet: run `scripts/snu keys store {pulumi.get_stack()}`, which "
                    "makes the API key of the crash alerts and writes it there",
                    holder,
                )
            return is_written

        return warn
