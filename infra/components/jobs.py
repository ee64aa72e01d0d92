"""A container that runs to completion, on a schedule or when started manually."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import job as jobs

from infra.settings import Job
from infra.settings.models import Schedule


@dataclass(frozen=True, kw_only=True)
class ScheduledJobArgs:
    """Arguments of `ScheduledJob`."""

    job_name: str
    """Name of the job definition."""
    project_id: pulumi.Input[str]
    """Project of the job definition."""
    image: pulumi.Input[str]
    """Image reference with a digest."""
    job: Job
    """Sizes, timeout, command and schedule. Without a schedule, the job is started manually."""
    variables: Mapping[str, pulumi.Input[str]]
    """Variables. Secret outputs are still secret in Pulumi's state."""


class ScheduledJob(pulumi.ComponentResource):
    """A job that runs on a schedule or when started manually (`snu:jobs:ScheduledJob`).

    Children:

    - `<name>-definition`: the job definition
    """

    definition_id: pulumi.Output[str]
    """Id of the job definition."""

    def __init__(self, name: str, args: ScheduledJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component and its children."""
        super().__init__("snu:jobs:ScheduledJob", name, None, opts)
        job = args.job
        definition = jobs.Definition(
            f"{name}-definition",
            name=args.job_name,
            image_uri=args.image,
            cpu_limit=job.cpu,
            memory_limit=job.memory,
            local_storage_capacity=job.storage,
            timeout=duration(job.timeout),
            startup_commands=job.command or None,
            args=job.args or None,
            env=dict(args.variables) or None,
            cron=cron(job.schedule),
            project_id=args.project_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.definition_id = definition.id
        self.register_outputs({"definitionId": self.definition_id})


def cron(schedule: Schedule | None) -> jobs.DefinitionCronArgs | None:
    """Converts a schedule to the provider's type."""
    return jobs.DefinitionCronArgs(schedule=schedule.cron, timezone=schedule.timezone) if schedule else None


def duration(seconds: int) -> str:
    """Formats a duration as Go does, and as the provider returns it: `2h0m0s`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
