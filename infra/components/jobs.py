"""A container that runs to its end, on a schedule or when someone starts it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import job as jobs

from infra.settings import Job
from infra.settings.models import Schedule


@dataclass(frozen=True, kw_only=True)
class ScheduledJobArgs:
    """What a `ScheduledJob` is made from."""

    job_name: str
    """Name of the job definition."""
    project_id: pulumi.Input[str]
    """The project that it belongs to."""
    image: pulumi.Input[str]
    """The image, by digest."""
    job: Job
    """Sizes, time-out, command and schedule; without a schedule, people start the job."""
    variables: Mapping[str, pulumi.Input[str]]
    """Variables; a value that is a secret output stays one in Pulumi's state."""


class ScheduledJob(pulumi.ComponentResource):
    """`snu:jobs:ScheduledJob`, produces:

    - `<name>-definition`: the job definition
    """

    definition_id: pulumi.Output[str]
    """The id to start it with."""

    def __init__(self, name: str, args: ScheduledJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
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
    """A schedule as the provider takes it."""
    return jobs.DefinitionCronArgs(schedule=schedule.cron, timezone=schedule.timezone) if schedule else None


def duration(seconds: int) -> str:
    """A duration as Go writes it, which is how the provider reads it back: `2h0m0s`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
