"""Release commands on a lab: the key that starts them, their runs, and what runs afterwards."""

from __future__ import annotations

from typing import Any

from tests.lab.keys import deploy_key, use
from tests.lab.lab import Lab

JOB_RUNS = "/serverless-jobs/v1alpha2/regions/fr-par/job-runs"
RELEASE = {"command": ["npm", "run", "migrate"], "documentVariables": ["MONGO_URL"]}


def provide_key(lab: Lab) -> None:
    """Let the foundation provide the key that starts release commands of the environment local."""
    lab.project.change("foundation-local", lambda each: each["snu:environments"]["local"].update(releaseCommands=True))
    lab.up_ok("foundation-local")


def enable(lab: Lab) -> None:
    """Provide the key, and let the stack local use the deploy application's."""
    provide_key(lab)
    use(lab, "local", deploy_key(lab, "local"))


def runs(lab: Lab) -> list[dict[str, Any]]:
    """The runs of commands, newest first."""
    found: list[dict[str, Any]] = lab.ask("GET", f"{JOB_RUNS}?order_by=created_at_desc")["job_runs"]
    return found


def served(lab: Lab) -> set[str]:
    """The digests of the images that containers run."""
    return {each["image"].rpartition("@")[2] for each in lab.resources("containers.container")}
