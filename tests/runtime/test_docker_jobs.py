"""Jobs on Docker, started through the API, with logs in Cockpit."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.support.local_scaleway import HTTP, Server
from tests.support.site import CockpitLogs, Site, eventually

pytestmark = pytest.mark.xdist_group("docker")

JOBS = "/serverless-jobs/v1alpha2/regions/fr-par"
SECRETS = "/secret-manager/v1beta1/regions/fr-par/secrets"
ENDED = ("succeeded", "failed", "interrupted")


class Job:
    """A job that runs a script with the Node image of the tests."""

    def __init__(self, site: Site, name: str, script: str, **values: Any) -> None:
        self.site = site
        body = {"image_uri": site.image, "cpu_limit": 500, "memory_limit": 128, "args": [script], **values}
        self.definition = site.api.create(f"{JOBS}/job-definitions", name=name, startup_command=["node", "-e"], **body)
        self.path = f"{JOBS}/job-definitions/{self.definition['id']}"

    def start(self, **values: Any) -> str:
        return str(self.site.api("POST", f"{self.path}/start", values)["job_runs"][0]["id"])

    def show(self, run: str) -> Any:
        return self.site.api("GET", f"{JOBS}/job-runs/{run}")

    def ended(self, run: str) -> Any:
        eventually(lambda: self.show(run)["state"] in ENDED, "the run ends")
        return self.show(run)

    def processes(self, run: str) -> list[Any]:
        labels = [f"localcloud.container={run}"]
        return self.site.engine.client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)


def _secret(site: Site, name: str, value: str) -> str:
    secret = site.api.create(SECRETS, name=name)
    site.api("POST", f"{SECRETS}/{secret['id']}/versions", {"data": base64.b64encode(value.encode()).decode()})
    return str(secret["id"])


def test_a_run_reaches_the_local_scaleway_with_variables_and_secrets(site: Site, site_server: Server) -> None:
    script = """
        const file = require("fs").readFileSync("/etc/job/secret", "utf8")
        fetch(`${process.env.API}/_local/health`).then(async (answer) => {
            const health = await answer.json()
            console.log(JSON.stringify({ pid: health.pid, same: file === process.env.SECRET, word: process.env.WORD }))
            console.error("and fails")
            process.exit(7)
        })
    """
    job = Job(site, "whole", script, environment_variables={"API": site.api.url, "WORD": "definition"})
    secret = _secret(site, "job", "hush-hush")
    references = [
        {"secret_manager_id": secret, "secret_manager_version": "latest", "env_var_name": "SECRET"},
        {"secret_manager_id": secret, "secret_manager_version": "1", "path": "/etc/job/secret"},
    ]
    site.api("POST", f"{JOBS}/secrets", {"job_definition_id": job.definition["id"], "secrets": references})
    run = job.start(environment_variables={"WORD": "start"})
    shown = job.ended(run)
    assert (shown["state"], shown["reason"], shown["exit_code"]) == ("failed", "exited_with_error", 7)
    # Docker reads the two streams apart: which line was the last is not certain.
    assert shown["error_message"].startswith("it exited with status 7; its last line: ")
    logs = CockpitLogs.of(site.api)
    output, failed = sorted(logs.messages(run), reverse=True)
    assert json.loads(output) == {"pid": site_server.pid, "same": True, "word": "start"}
    assert failed == "and fails"
    found = HTTP.get(
        f"{logs.url}/loki/api/v1/query_range",
        params={"query": '{resource_type="serverless_job", job_definition_name="whole"} |= "fails"'},
        headers={"X-Token": logs.token},
    ).json()["data"]["result"]
    assert [stream["stream"]["resource_id"] for stream in found] == [run]
    lines = HTTP.get(f"{site.api.url}/_local/job-runs/{run}/logs").text.splitlines()
    assert "and fails" in {json.loads(line)["text"] for line in lines}
    assert "hush-hush" not in site_server.log


def test_its_process_has_limits_and_no_capabilities(site: Site) -> None:
    job = Job(site, "limits", "")
    run = job.start()
    assert job.ended(run)["exit_code"] == 0
    (process,) = job.processes(run)
    settings = process.attrs["HostConfig"]
    assert settings["Memory"] == 128 * 1_048_576
    assert settings["CapDrop"] == ["ALL"]
    assert settings["SecurityOpt"] == ["no-new-privileges"]
    assert not settings["Privileged"]


def test_a_run_is_stopped_after_its_timeout(site: Site) -> None:
    job = Job(site, "endless", "setInterval(() => {}, 1000)", job_timeout="1s")
    run = job.ended(job.start())
    assert (run["state"], run["reason"], run["exit_code"]) == ("failed", "timeout", None)


def test_an_interrupted_run_receives_sigterm(site: Site) -> None:
    script = """
        process.on("SIGTERM", () => { console.log("SIGTERM received"); process.exit(0) })
        setInterval(() => {}, 1000)
        console.log("it waits")
    """
    job = Job(site, "patient", script)
    run = job.start()
    logs = CockpitLogs.of(site.api)
    eventually(lambda: logs.messages(run) == ["it waits"], "it has a log")
    assert site.api("POST", f"{JOBS}/job-runs/{run}/stop", {})["state"] == "interrupting"
    assert job.ended(run)["state"] == "interrupted"
    assert logs.messages(run) == ["it waits", "SIGTERM received"]
    site.api("DELETE", job.path, status=204)
    eventually(lambda: job.processes(run) == [], "its process is gone")


def test_a_failed_run_is_retried(site: Site) -> None:
    job = Job(site, "stubborn", "console.log('again'); process.exit(1)", retry_policy={"max_retries": 1})
    run = job.start()
    assert job.ended(run)["attempts"] == 2
    assert CockpitLogs.of(site.api).messages(run) == ["again", "again"]


def test_a_run_without_its_image_changes_state_by_time(site: Site) -> None:
    definition = site.api.create(
        f"{JOBS}/job-definitions", name="nowhere", image_uri="registry.example/x:1", cpu_limit=70, memory_limit=128
    )
    run = site.api("POST", f"{JOBS}/job-definitions/{definition['id']}/start", {})["job_runs"][0]
    assert site.api("GET", f"{JOBS}/job-runs/{run['id']}")["state"] == "succeeded"
