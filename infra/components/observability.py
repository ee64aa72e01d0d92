"""Logs and alerts of a project."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import observability

from infra import naming
from infra.secret_output import secret


@dataclass(frozen=True, kw_only=True)
class ObservabilityArgs:
    """What an `Observability` is made from."""

    project: str
    """The project's name without `snu-`."""
    project_id: pulumi.Input[str]
    """The project that is observed."""
    log_retention: int
    """Days that logs are kept."""
    alert_emails: Sequence[str]
    """Who receives alerts."""


class Observability(pulumi.ComponentResource):
    """`snu:observability:Observability`, produces:

    - `<name>-logs`: a data source for logs
    - `<name>-logs-reader`: a token that may query logs and nothing else
    - `<name>-alerts`: the alert manager with its contact points

    It looks up the data source that every project has for what the platform itself writes.
    """

    logs_url: pulumi.Output[str]
    """Where logs are queried."""
    logs_token: pulumi.Output[str]
    """The token to query them: secret."""
    platform_logs: pulumi.Output[observability.GetSourceResult]
    """The data source that holds the logs of containers and jobs."""

    def __init__(self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
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
            # Every scope is stated: a token may write logs and metrics where nothing says otherwise.
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
        # By an output of the first data source: only now the project is known to have any.
        self.platform_logs = observability.get_source_output(origin="scaleway", type="logs", project_id=logs.project_id)
        self.logs_token = secret(reader.secret_key)
        self.register_outputs({"logsUrl": self.logs_url, "logsToken": self.logs_token})
