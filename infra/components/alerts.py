"""The job that reports crashes to Slack."""

from typing import NotRequired, TypedDict

import pulumi
from pulumiverse_scaleway import job as jobs

from . import defaults
from .component import Component
from .jobs import go_duration

DOCUMENT_FILE = "/etc/snu/document.json"
ACCESS_FILE = "/etc/snu/access.json"


class CrashAlertsArgs(TypedDict):
    """Arguments of `CrashAlerts`."""

    job_name: pulumi.Input[str]
    """Name of the job definition."""
    environment: str
    """Name of the environment, used in messages."""
    namespace_id: pulumi.Input[str]
    """Container namespace to monitor."""
    image: pulumi.Input[str]
    """Image reference, preferably with a digest: a tag can move."""
    document_id: pulumi.Input[str]
    """Id of the secret document, which contains the webhook URL and the values to mask."""
    access_id: pulumi.Input[str]
    """Id of the secret with the job's credentials, written as `AlertsAccess` describes."""
    webhook_key: str
    """Key of the secret document that contains the Slack webhook URL."""
    interval_minutes: NotRequired[int]
    """Minutes between runs. A crash is reported within two intervals. Default: 5."""
    project_id: NotRequired[pulumi.Input[str] | None]
    """Project of the job definition. Default: the provider's project."""


class CrashAlerts(Component):
    """A scheduled job that reports crashes of an environment's containers to Slack.

    Children:

    - `<name>-definition`: the job definition

    The job reads the latest version of both secrets on each start. Changes to the document therefore need no
    deployment, and its values are not stored in Pulumi's state.
    """

    definition_id: pulumi.Output[str]
    """Id of the job definition."""

    _former_type = "snu:alerts:CrashAlerts"

    def __init__(self, name: str, args: CrashAlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        interval = args.get("interval_minutes", defaults.ALERTS_INTERVAL)
        definition = jobs.Definition(
            f"{name}-definition",
            name=args["job_name"],
            description=f"Reports crashes of {args['environment']} to Slack",
            image_uri=args["image"],
            cpu_limit=defaults.ALERTS_CPU,
            memory_limit=defaults.ALERTS_MEMORY,
            local_storage_capacity=defaults.JOB_STORAGE,
            timeout=go_duration(defaults.ALERTS_TIMEOUT),
            env={
                "ENVIRONMENT": args["environment"],
                "NAMESPACE_ID": args["namespace_id"],
                "WEBHOOK_KEY": args["webhook_key"],
                "INTERVAL_MINUTES": str(interval),
                "DOCUMENT_FILE": DOCUMENT_FILE,
                "ACCESS_FILE": ACCESS_FILE,
            },
            secret_references=[
                jobs.DefinitionSecretReferenceArgs(secret_id=args["document_id"], file=DOCUMENT_FILE),
                jobs.DefinitionSecretReferenceArgs(secret_id=args["access_id"], file=ACCESS_FILE),
            ],
            cron=jobs.DefinitionCronArgs(schedule=f"*/{interval} * * * *", timezone="UTC"),
            project_id=args.get("project_id"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.definition_id = definition.id
        self.register_outputs({"definitionId": self.definition_id})
