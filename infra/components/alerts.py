"""The job that reports crashes to Slack."""

from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import job as jobs

from infra.components.jobs import cron, duration
from infra.settings.models import CrashAlertsSettings

DOCUMENT_FILE = "/etc/snu/document.json"
ACCESS_FILE = "/etc/snu/access.json"


@dataclass(frozen=True, kw_only=True)
class CrashAlertsArgs:
    """Arguments of `CrashAlerts`."""

    job_name: str
    """Name of the job definition."""
    environment: str
    """Name of the environment, used in messages."""
    project_id: pulumi.Input[str]
    """Project of the job definition."""
    namespace_id: pulumi.Input[str]
    """Container namespace to monitor."""
    image: pulumi.Input[str]
    """Image reference with a digest."""
    document_id: pulumi.Input[str]
    """Id of the secret document, which contains the webhook URL and the values to mask."""
    access_id: pulumi.Input[str]
    """Id of the secret with the job's credentials, created by the foundation."""
    settings: CrashAlertsSettings
    """Interval between runs, and the key of the webhook URL in the secret document."""


class CrashAlerts(pulumi.ComponentResource):
    """A scheduled job that reports crashes of an environment's containers to Slack (`snu:alerts:CrashAlerts`).

    Children:

    - `<name>-definition`: the job definition

    The job reads the latest version of both secrets on each start. Changes to the document therefore need no
    deployment, and its values are not stored in Pulumi's state.
    """

    definition_id: pulumi.Output[str]
    """Id of the job definition."""

    def __init__(self, name: str, args: CrashAlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component and its children."""
        super().__init__("snu:alerts:CrashAlerts", name, None, opts)
        job = args.settings.job
        definition = jobs.Definition(
            f"{name}-definition",
            name=args.job_name,
            description=f"Reports crashes of {args.environment} to Slack",
            image_uri=args.image,
            cpu_limit=job.cpu,
            memory_limit=job.memory,
            local_storage_capacity=job.storage,
            timeout=duration(job.timeout),
            env={
                "ENVIRONMENT": args.environment,
                "NAMESPACE_ID": args.namespace_id,
                "WEBHOOK_KEY": args.settings.webhook,
                "INTERVAL_MINUTES": str(args.settings.interval_minutes),
                "DOCUMENT_FILE": DOCUMENT_FILE,
                "ACCESS_FILE": ACCESS_FILE,
            },
            secret_references=[
                jobs.DefinitionSecretReferenceArgs(secret_id=args.document_id, file=DOCUMENT_FILE),
                jobs.DefinitionSecretReferenceArgs(secret_id=args.access_id, file=ACCESS_FILE),
            ],
            cron=cron(job.schedule),
            project_id=args.project_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.definition_id = definition.id
        self.register_outputs({"definitionId": self.definition_id})
