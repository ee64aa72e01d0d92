"""The job that tells Slack of crashes."""

from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import job as jobs

from infra.components.jobs import cron, duration
from infra.settings.models import CrashAlertsSettings

DOCUMENT_FILE = "/etc/snu/document.json"
ACCESS_FILE = "/etc/snu/access.json"


@dataclass(frozen=True, kw_only=True)
class CrashAlertsArgs:
    """What `CrashAlerts` are made from."""

    job_name: str
    """Name of the job definition."""
    environment: str
    """The environment, for people."""
    project_id: pulumi.Input[str]
    """The project that it belongs to."""
    namespace_id: pulumi.Input[str]
    """The containers that are watched."""
    image: pulumi.Input[str]
    """The image, by digest."""
    document_id: pulumi.Input[str]
    """The secret that holds the environment's document: the webhook, and what is to be masked."""
    access_id: pulumi.Input[str]
    """The secret with the job's own access, which the foundation makes."""
    settings: CrashAlertsSettings
    """How often it runs, and which key of the document is the webhook."""


class CrashAlerts(pulumi.ComponentResource):
    """`snu:alerts:CrashAlerts`, produces:

    - `<name>-definition`: the job definition

    It reads both secrets' latest versions at each start: a changed document needs no deploy, and no value of it stands
    in Pulumi's state.
    """

    definition_id: pulumi.Output[str]
    """The id to start it with."""

    def __init__(self, name: str, args: CrashAlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("snu:alerts:CrashAlerts", name, None, opts)
        job = args.settings.job
        definition = jobs.Definition(
            f"{name}-definition",
            name=args.job_name,
            description=f"Tells Slack of crashes of {args.environment}",
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
