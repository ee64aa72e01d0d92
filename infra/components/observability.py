"""Logs and alerts of a project."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import observability

from infra import naming
from infra.secret_output import secret


@dataclass(frozen=True, kw_only=True)
class ObservabilityArgs:
    """Arguments of `Observability`."""

    project: str
    """Name of the project without `snu-`."""
    project_id: pulumi.Input[str]
    """The project to observe."""
    log_retention: int
    """Log retention in days."""
    alert_emails: Sequence[str]
    """E-mail addresses that receive alerts."""


class Observability(pulumi.ComponentResource):
    """Logs and alerts of a project (`snu:observability:Observability`).

    Children:

    - `<name>-logs`: a data source for logs
    - `<name>-logs-reader`: a token that can only query logs
    - `<name>-alerts`: the alert manager with its contact points

    Also looks up the project's built-in data source for platform logs.
    """

    logs_url: pulumi.Output[str]
    """URL for log queries."""
    logs_token: pulumi.Output[str]
    """Token for log queries, as a secret output."""
    platform_logs: pulumi.Output[observability.GetSourceResult]
    """Data source with container and job logs."""

    def __init__(self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component and its children."""
        super().__init__("snu:observability:Observability", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        logs = observability.Source(
            f"{name}-logs",
            name=naming.logs_source(args.project),
            type="logs",
            retention_days=args.log_retention,
            project_id=args.project_id,
            opts=child,
        )
        reader = observability.Token(
            f"{name}-logs-reader",
            name=naming.logs_reader_token(args.project),
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
            project_id=args.project_id,
            opts=child,
        )
        observability.AlertManager(
            f"{name}-alerts",
            contact_points=[observability.AlertManagerContactPointArgs(email=email) for email in args.alert_emails],
            project_id=args.project_id,
            opts=child,
        )
        self.logs_url = logs.url
        # Depends on the first data source: before it exists, the project may have none.
        self.platform_logs = observability.get_source_output(origin="scaleway", type="logs", project_id=logs.project_id)
        self.logs_token = secret(reader.secret_key)
        self.register_outputs({"logsUrl": self.logs_url, "logsToken": self.logs_token})
