"""A container that runs to completion, on a schedule or when started manually."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi
from pulumiverse_scaleway import job as jobs

from . import defaults
from .component import Component


class ScheduledJobArgs(TypedDict):
    """Arguments of `ScheduledJob`."""

    job_name: pulumi.Input[str]
    """Name of the job definition."""
    image: pulumi.Input[str]
    """Image reference, preferably with a digest: a tag can move."""
    cpu: pulumi.Input[int]
    """CPU limit, in thousandths of a vCPU."""
    memory: pulumi.Input[int]
    """Memory limit in MB."""
    timeout: pulumi.Input[int]
    """Seconds after which a run is stopped."""
    storage: NotRequired[pulumi.Input[int]]
    """Local storage in MB. Default: 1000."""
    command: NotRequired[Sequence[str]]
    """Command to run instead of the image's."""
    arguments: NotRequired[Sequence[str]]
    """Arguments of the command."""
    variables: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Variables. Secret outputs remain secret in Pulumi's state."""
    cron: NotRequired[pulumi.Input[str] | None]
    """Schedule in five cron fields: `0 4 * * *`. If unset, the job must be started manually."""
    timezone: NotRequired[pulumi.Input[str]]
    """Time zone of the schedule. Default: UTC."""
    project_id: NotRequired[pulumi.Input[str] | None]
    """Project of the job definition. Default: the provider's project."""


class ScheduledJob(Component):
    """A job that runs on a schedule or when started manually.

    Children:

    - `<name>-definition`: the job definition
    """

    definition_id: pulumi.Output[str]
    """Id of the job definition."""

    _former_type = "snu:jobs:ScheduledJob"

    def __init__(self, name: str, args: ScheduledJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        schedule = args.get("cron")
        definition = jobs.Definition(
            f"{name}-definition",
            name=args["job_name"],
            image_uri=args["image"],
            cpu_limit=args["cpu"],
            memory_limit=args["memory"],
            local_storage_capacity=args.get("storage", defaults.JOB_STORAGE),
            timeout=pulumi.Output.from_input(args["timeout"]).apply(go_duration),
            startup_commands=[*args.get("command", [])] or None,
            args=[*args.get("arguments", [])] or None,
            env=args.get("variables") or None,
            cron=jobs.DefinitionCronArgs(schedule=schedule, timezone=args.get("timezone", "UTC"))
            if schedule is not None
            else None,
            project_id=args.get("project_id"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.definition_id = definition.id
        self.register_outputs({"definitionId": self.definition_id})


def go_duration(seconds: int) -> str:
    """Format seconds as a Go duration string, as the provider returns it: `2h0m0s`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
