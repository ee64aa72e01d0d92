"""Logs and alerts of a project."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi
from pulumiverse_scaleway import observability

from .component import Component
from .secret_output import secret


class ObservabilityArgs(TypedDict):
    """Arguments of `Observability`."""

    logs_name: pulumi.Input[str]
    """Name of the data source for logs."""
    logs_token_name: pulumi.Input[str]
    """Name of the token that can only query logs."""
    project_id: pulumi.Input[str]
    """The project to observe."""
    log_retention: pulumi.Input[int]
    """Log retention in days."""
    alert_emails: NotRequired[Sequence[pulumi.Input[str]]]
    """E-mail addresses that receive alerts."""


class Observability(Component):
    """Logs and alerts of a project.

    Children:

    - `<name>-logs`: a data source for logs
    - `<name>-logs-reader`: a token that can only query logs
    - `<name>-alerts`: the alert manager with its contact points

    Also looks up the project's built-in data source for platform logs: the logs of containers and jobs.
    """

    logs_url: pulumi.Output[str]
    """URL for log queries."""
    logs_token: pulumi.Output[str]
    """Token for log queries, as a secret output."""
    platform_logs_url: pulumi.Output[str]
    """URL for queries of the platform's logs."""
    platform_logs_region: pulumi.Output[str]
    """Region of the platform's logs."""
    platform_logs_retention: pulumi.Output[int]
    """Days for which the platform's logs are kept."""

    _former_type = "snu:observability:Observability"

    def __init__(self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        child = pulumi.ResourceOptions(parent=self)
        logs = observability.Source(
            f"{name}-logs",
            name=args["logs_name"],
            type="logs",
            retention_days=args["log_retention"],
            project_id=args["project_id"],
            opts=child,
        )
        reader = observability.Token(
            f"{name}-logs-reader",
            name=args["logs_token_name"],
            # All scopes are explicit: by default a token can write logs and metrics.
            scopes=observability.TokenScopesArgs(
                query_logs=True,
                query_metrics=False,
                query_traces=False,
                write_logs=False,
                write_metrics=False,
                write_traces=False,
                setup_alerts=False,
                setup_logs_rules=False,
                setup_metrics_rules=False,
            ),
            project_id=args["project_id"],
            opts=child,
        )
        observability.AlertManager(
            f"{name}-alerts",
            contact_points=[
                observability.AlertManagerContactPointArgs(email=email) for email in args.get("alert_emails", [])
            ],
            project_id=args["project_id"],
            opts=child,
        )
        self.logs_url = logs.url
        # Depends on the first data source: before it exists, the project may have none.
        platform = observability.get_source_output(origin="scaleway", type="logs", project_id=logs.project_id)
        self.platform_logs_url, self.platform_logs_region = platform.url, platform.region
        self.platform_logs_retention = platform.retention_days
        self.logs_token = secret(reader.secret_key)
        self.register_outputs({"logsUrl": self.logs_url, "logsToken": self.logs_token})
