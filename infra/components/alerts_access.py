"""What the job that tells of crashes may do, and where it finds what it looks at."""

from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import secrets

from infra import naming
from infra.components.access import About, grant, on_projects
from infra.components.observability import Observability
from infra.secrecy import secret

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
    keys_expire_at: str | None = None
    """When its API keys expire, in RFC 3339; never if not given."""


class AlertsAccess(pulumi.ComponentResource):
    """`snu:alerts:AlertsAccess`, produces:

    - `<name>-application`, `<name>-policy`, `<name>-key`: looks at containers, and keeps its state in a bucket
    - `<name>-secret`, `<name>-version`: the secret with all that the job is told, one JSON object of texts
    """

    secret_id: pulumi.Output[str]
    """The id of the secret, once it has its version."""

    def __init__(self, name: str, args: AlertsAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("snu:alerts:AlertsAccess", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        made = grant(
            name,
            naming.alerts_application(args.environment),
            About(
                f"Looks for crashes of {args.environment}",
                f"Allows to look for crashes of {args.environment}",
                f"Crash alerts of {args.environment}",
            ),
            args.project_id,
            [on_projects([args.project_id], LOOK_AND_REMEMBER)],
            child,
            args.keys_expire_at,
        )
        logs = args.observability.platform_logs
        access = pulumi.Output.json_dumps(
            {
                "apiUrl": args.api_url or PLATFORM_API,
                "region": logs.region,
                "logsUrl": logs.url,
                "logsToken": args.observability.logs_token,
                "retentionDays": logs.retention_days.apply(str),
                "storageUrl": args.storage_url or logs.region.apply(lambda region: f"https://s3.{region}.scw.cloud"),
                "bucket": naming.alerts_bucket(args.project, args.environment),
                "accessKey": made.key.access_key,
                "secretKey": made.key.secret_key,
            }
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
        # Whatever changes in it replaces the version, which protection would forbid.
        replaceable = pulumi.ResourceOptions(parent=self, protect=False)
        version = secrets.Version(f"{name}-version", secret_id=holder.id, data=secret(access), opts=replaceable)
        self.secret_id = version.secret_id
        self.register_outputs({"secretId": self.secret_id})
