"""The permissions and credentials of the crash alerts job."""

from typing import NotRequired, TypedDict

import pulumi
from pulumiverse_scaleway import secrets

from .access import AccessDescriptions, grant, on_projects
from .component import Component
from .secret_output import secret
from .secrets import is_written

PERMISSION_SETS = (
    "ContainersReadOnly",
    # The job creates its bucket: see docs/adr/0013-crash-alerts.md.
    "ObjectStorageBucketsWrite",
    "ObjectStorageObjectsRead",
    "ObjectStorageObjectsWrite",
)
PLATFORM_API = "https://api.scaleway.com"


class AlertsAccessArgs(TypedDict):
    """Arguments of `AlertsAccess`."""

    environment: str
    """Name of the environment to monitor; used in descriptions."""
    application_name: str
    """Name of the job's IAM application."""
    secret_name: pulumi.Input[str]
    """Name of the secret with the job's configuration and credentials."""
    bucket_name: pulumi.Input[str]
    """Name of the bucket with the job's state; unique across all customers of Scaleway. The job creates it."""
    project_id: pulumi.Input[str]
    """Project of the environment."""
    logs_url: pulumi.Input[str]
    """URL for queries of the platform's logs."""
    logs_token: pulumi.Input[str]
    """Token for log queries; secret in the state."""
    logs_region: pulumi.Input[str]
    """Region of the platform's logs."""
    logs_retention: pulumi.Input[int]
    """Days for which the platform's logs are kept."""
    protected: NotRequired[pulumi.Input[bool]]
    """Whether Secret Manager prevents the secret from being deleted. Default: false."""
    api_url: NotRequired[pulumi.Input[str] | None]
    """URL of the Scaleway API. Default: the platform's."""
    storage_url: NotRequired[pulumi.Input[str] | None]
    """URL of object storage. Default: the region's endpoint."""


class AlertsAccess(Component):
    """Permissions and credentials of an environment's crash alerts.

    Children:

    - `<name>-application`, `<name>-policy`: an IAM application that reads containers and stores the job's state in a
      bucket
    - `<name>-secret`: the secret that the job reads, a JSON object of strings. Its versions, which contain an API key
      of the application, are not written by the program.
    """

    secret_id: pulumi.Output[str]
    """Id of the secret."""
    is_written: pulumi.Output[bool]
    """Whether the secret has an enabled version."""
    access: pulumi.Output[dict[str, str]]
    """Content of the secret without the API key, as a secret output."""

    _former_type = "snu:alerts:AlertsAccess"

    def __init__(self, name: str, args: AlertsAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        environment, child = args["environment"], pulumi.ResourceOptions(parent=self)
        grant(
            name,
            args["application_name"],
            AccessDescriptions(f"Detects crashes of {environment}", f"Allows detecting crashes of {environment}"),
            [on_projects([args["project_id"]], PERMISSION_SETS)],
            child,
        )
        region = pulumi.Output.from_input(args["logs_region"])
        self.access = secret(
            pulumi.Output.all(
                apiUrl=args.get("api_url") or PLATFORM_API,
                region=region,
                logsUrl=args["logs_url"],
                logsToken=args["logs_token"],
                retentionDays=pulumi.Output.from_input(args["logs_retention"]).apply(str),
                storageUrl=args.get("storage_url") or region.apply(lambda region: f"https://s3.{region}.scw.cloud"),
                bucket=args["bucket_name"],
            )
        )
        holder = secrets.Secret(
            f"{name}-secret",
            name=args["secret_name"],
            description=f"Configuration and credentials for the crash alerts of {environment}",
            type="opaque",
            protected=args.get("protected", False),
            project_id=args["project_id"],
            opts=child,
        )
        self.secret_id = holder.id
        self.is_written = is_written(holder.id)
        self.register_outputs({"secretId": self.secret_id, "isWritten": self.is_written})
