"""Access to an environment's logs."""

import json
from typing import NotRequired, TypedDict

import pulumi
from pulumiverse_scaleway import secrets

from .access import AccessDescriptions, grant, on_projects, on_secrets
from .component import Component
from .secret_output import secret

PERMISSION_SETS = ("ContainersReadOnly", "ServerlessJobsReadOnly", "SecretManagerReadOnly")
"""Allow looking up secrets, containers and jobs by name; log streams are labelled with ids."""


class LogsAccessArgs(TypedDict):
    """Arguments of `LogsAccess`."""

    environment: str
    """The environment whose logs are read, used in descriptions."""
    application_name: str
    """Name of the IAM application that reads logs."""
    secret_name: str
    """Name of the secret with the URL and the token for log queries."""
    project_id: pulumi.Input[str]
    """Project of the environment. Scaleway does not separate the logs of environments in the same project."""
    logs_url: pulumi.Input[str]
    """URL for queries of the platform's logs."""
    logs_token: pulumi.Input[str]
    """Token that can only query logs; secret in the state."""
    protected: NotRequired[pulumi.Input[bool]]
    """Whether Secret Manager prevents the secret from being deleted. Default: false."""


class LogsAccess(Component):
    """Access to an environment's logs.

    Children:

    - `<name>-application`, `<name>-policy`: an IAM application that reads the secret, containers and jobs
    - `<name>-secret`, `<name>-version`: the secret with the URL and the token for log queries, as a JSON object of
      strings
    """

    secret_id: pulumi.Output[str]
    """Id of the secret."""

    def __init__(self, name: str, args: LogsAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        environment, child = args["environment"], pulumi.ResourceOptions(parent=self)
        grant(
            name,
            args["application_name"],
            AccessDescriptions(f"Reads the logs of {environment}", f"Allows reading the logs of {environment}"),
            [
                on_projects([args["project_id"]], PERMISSION_SETS),
                on_secrets(args["project_id"], [args["secret_name"]]),
            ],
            child,
        )
        holder = secrets.Secret(
            f"{name}-secret",
            name=args["secret_name"],
            description=f"URL and token for log queries of {environment}",
            type="opaque",
            protected=args.get("protected", False),
            project_id=args["project_id"],
            opts=child,
        )
        content = pulumi.Output.all(logsUrl=args["logs_url"], logsToken=args["logs_token"]).apply(json.dumps)
        version = secrets.Version(
            f"{name}-version",
            secret_id=holder.id,
            data=secret(content),
            description="Written by Pulumi; replaced with the token",
            opts=child,
        )
        self.secret_id = version.secret_id
        self.register_outputs({"secretId": self.secret_id})
