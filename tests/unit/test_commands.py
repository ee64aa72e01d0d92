"""Commands that run as jobs before containers change; Scaleway's answers are given."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks as pulumi_mocks

from infra import program
from infra.components import commands
from infra.components.commands import Command, CommandArgs
from infra.components.containers import ContainerApp, ContainerAppArgs
from infra.components.jobs import ScheduledJob, ScheduledJobArgs
from tests.support.committed_stacks import build, document_for, edited_config
from tests.support.mocks import FOUNDATION_OUTPUTS, NOWHERE, Cloud, Secret, run

NEW, OLD = f"registry.test/api@{'sha256:' + 'b' * 64}", f"registry.test/api@{'sha256:' + 'a' * 64}"
DIGEST = NEW.rpartition("@")[2]
KEY = "the-secret-key"


@dataclass
class Scaleway:
    """Answers requests for runs. A started run goes through the states in ``states``."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[str, commands._ApiError] = field(default_factory=dict)
    """By the beginning of the path; each once."""
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, body: Any) -> Any:
        self.asked.append(path.partition("?")[0])
        refused = [start for start in self.refused if path.startswith(start)]
        if refused:
            raise self.refused.pop(refused[0])
        if path.endswith("/start"):
            started = {"id": f"run-{len(self.runs)}", "state": "queued", **body}
            self.runs.insert(0, started)
            return {"job_runs": [started]}
        if path.startswith("/job-runs?"):
            return {"job_runs": self.runs, "total_count": len(self.runs)}
        found = next(each for each in self.runs if path == f"/job-runs/{each['id']}")
        found.update(self.states.pop(0) if self.states else {"state": "succeeded"})
        return found

    @property
    def started(self) -> int:
        return sum(path.endswith("/start") for path in self.asked)


class Ready(Cloud):
    """Containers become ready."""

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        identity, outputs = super().new_resource(args)
        return identity, outputs | {"status": "ready"}


def former(state: str, digest: str = DIGEST, **more: Any) -> dict[str, Any]:
    return {"id": f"former-{state}", "state": state, "environment_variables": {"SNU_RELEASE": digest}, **more}


@pytest.fixture
def scaleway(monkeypatch: pytest.MonkeyPatch) -> Scaleway:
    found = Scaleway()
    monkeypatch.setattr(commands, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(commands._Jobs, "_response", lambda _self, path, body: found.answer(path, body))
    return found


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    messages: list[str] = []
    monkeypatch.setattr(pulumi.log, "info", lambda message, _resource: messages.append(message))
    return messages


def deploy(
    running: str | None = None,
    *,
    kind: str = "release",
    apps: tuple[str, ...] = ("api",),
    document: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Runs a program with apps that run one image. ``running``: the image that they run already."""

    def program() -> None:
        job = ScheduledJob(
            f"api-{kind}", ScheduledJobArgs(job_name="ci-api", image=NEW, cpu=140, memory=256, timeout=60)
        )
        command = Command(
            CommandArgs(
                app="api",
                kind=kind,
                command=["npm", "run", "migrate"],
                timeout=60,
                job=job,
                access_id="s",
                log_hint=lambda run: f"logs {run}",
                key_hint="Store the key.",
                each_version=kind == "release",
            )
        )
        for app in apps:
            arguments = ContainerAppArgs(container_name=app, namespace_id="n", image=NEW, cpu=256, memory=512)
            ContainerApp(app, arguments, commands=[command])

    cloud = Ready(document={"secretKey": KEY} if document is None else document)
    cloud.former = {} if running is None else {f"{app}-container": {"image": running} for app in apps}
    run(program, cloud=cloud, hooks=options.pop("hooks", True), **options)


@pytest.mark.parametrize("running", [None, OLD], ids=["created", "updated"])
def test_a_command_runs_with_the_version_before_the_container_changes(
    scaleway: Scaleway, said: list[str], running: str | None
) -> None:
    scaleway.states = [{"state": "queued"}, {"state": "running"}, {"state": "succeeded"}]
    deploy(running)
    assert [each["environment_variables"] for each in scaleway.runs] == [{"SNU_RELEASE": DIGEST}]
    assert said == [
        "running the release command of api (run run-0), which continues if the update is cancelled. To show its log: "
        "logs run-0",
        "the release command of api has succeeded (run run-0)",
    ]


def test_a_change_of_something_else_asks_nothing(scaleway: Scaleway) -> None:
    deploy(NEW)
    assert scaleway.asked == []


def test_a_preview_only_announces_it(scaleway: Scaleway, said: list[str]) -> None:
    deploy(OLD, preview=True)
    assert scaleway.asked == []
    assert said == ["would run the release command of api: npm run migrate"]


def test_a_version_that_has_succeeded_is_skipped(scaleway: Scaleway, said: list[str]) -> None:
    scaleway.runs = [former("failed"), former("succeeded")]
    deploy(OLD)
    assert scaleway.started == 0
    assert said == ["the release command of api has already succeeded (run former-succeeded)"]


@pytest.mark.parametrize("state", ["queued", "running", "interrupting"])
def test_a_run_in_progress_is_waited_for(scaleway: Scaleway, said: list[str], state: str) -> None:
    scaleway.runs = [former(state), former("failed")]
    deploy(OLD)
    assert scaleway.started == 0
    assert said[0].startswith(f"waiting for the release command of api (run former-{state})")


@pytest.mark.parametrize(
    "runs",
    [
        [former("failed")],
        [former("interrupted")],
        [former("succeeded", "sha256:other")],
        [{"id": "x", "state": "running"}],
    ],
)
def test_otherwise_it_is_started(scaleway: Scaleway, runs: list[dict[str, Any]]) -> None:
    scaleway.runs = [*runs]
    deploy(OLD)
    assert scaleway.started == 1


@pytest.mark.parametrize(
    ("ended", "says"),
    [
        ({"state": "failed", "reason": "exited_with_error", "exit_code": 3}, "failed: exited with error: exit code 3"),
        ({"state": "failed", "reason": "timeout", "error_message": "too late"}, "failed: timeout: too late"),
        ({"state": "interrupted", "reason": "cancellation"}, "was interrupted: cancellation"),
        ({"state": "failed", "reason": "unknown_reason"}, "failed"),
    ],
)
def test_a_failure_is_told_and_not_repeated_for_other_containers(
    scaleway: Scaleway, ended: dict[str, Any], says: str
) -> None:
    scaleway.states = [ended]
    with pytest.raises(pulumi.RunError) as raised:
        deploy(OLD, apps=("api", "tasks"))
    assert str(raised.value) == (
        f'before hook "api-release" failed: the release command of api {says}. The container was not changed. To show '
        "its log: logs run-0"
    )
    assert scaleway.started == 1


def test_containers_with_the_same_image_wait_for_one_run(scaleway: Scaleway) -> None:
    deploy(OLD, apps=("api", "tasks"))
    assert scaleway.started == 1


def test_a_run_that_never_ends_is_given_up(scaleway: Scaleway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_START_SECONDS", -120.0)
    with pytest.raises(pulumi.RunError, match=r"has not finished after -1 minutes \(run run-0, queued\)"):
        deploy(OLD)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/job-runs?", 403, "cannot run the release command of api: no. The container was not changed. Store the key."),
        ("/job-runs?", 500, "cannot run the release command of api: no. The container was not changed."),
        ("/job-definitions/", 0, "no. The run may have started anyway; the next update will look for it"),
        ("/job-definitions/", 429, "cannot run the release command of api: no. The container was not changed."),
        ("/job-runs/run-0", 404, "cannot run the release command of api: no. The container was not changed."),
    ],
)
def test_a_refused_request_fails_the_update(scaleway: Scaleway, path: str, status: int, says: str) -> None:
    scaleway.refused = {path: commands._ApiError("no", status)}
    with pytest.raises(pulumi.RunError) as raised:
        deploy(OLD)
    assert says in str(raised.value)
    assert KEY not in str(raised.value)


def test_a_wait_survives_errors_that_pass(scaleway: Scaleway) -> None:
    scaleway.refused = {"/job-runs/run-0": commands._ApiError("no", 503)}
    deploy(OLD)
    assert scaleway.started == 1


def test_a_secret_without_a_key(scaleway: Scaleway) -> None:
    with pytest.raises(pulumi.RunError, match=r"the secret with the API key for the release command of api is invalid"):
        deploy(OLD, document={"accessKey": "a"})
    assert scaleway.asked == []


def test_a_seed_command_runs_only_before_the_creation(scaleway: Scaleway) -> None:
    deploy(OLD, kind="seed")
    assert scaleway.asked == []
    deploy(kind="seed")
    assert scaleway.runs[0]["environment_variables"] == {"SNU_SEED": "once"}
    deploy(kind="seed")
    assert scaleway.started == 1


def test_plain_mocks_register_no_hooks(scaleway: Scaleway) -> None:
    deploy(hooks=False)
    assert scaleway.asked == []


def test_no_answer_is_an_error_without_the_key() -> None:
    with pytest.raises(commands._ApiError, match=r"Scaleway did not respond: .*refused") as raised:
        commands._Jobs("http://127.0.0.1:1", "fr-par/d", KEY)._response("/job-runs", None)
    assert raised.value.is_transient
    assert KEY not in str(raised.value)


class Answers:
    """In place of an opener of `urllib`: gives each request the same answer."""

    def __init__(self, status: int, body: str) -> None:
        self.status, self.body = status, io.BytesIO(body.encode())

    def open(self, request: urllib.request.Request, timeout: float) -> io.BytesIO:
        assert timeout
        if self.status >= 400:
            raise urllib.error.HTTPError(request.full_url, self.status, "", Message(), self.body)
        return self.body


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (403, '{"message": "insufficient permissions"}', "Scaleway returned 403: insufficient permissions"),
        (502, "<html>", "Scaleway returned 502"),
        (500, '{"type": "internal"}', "Scaleway returned 500"),
        (404, "[]", "Scaleway returned 404"),
        (200, "<html>", "Scaleway did not respond: Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_what_scaleway_answers_is_told(monkeypatch: pytest.MonkeyPatch, status: int, body: str, says: str) -> None:
    jobs = commands._Jobs(None, "fr-par/d", KEY)
    monkeypatch.setattr(jobs, "_opener", Answers(status, body))
    with pytest.raises(commands._ApiError) as raised:
        jobs._response("/job-runs", None)
    assert str(raised.value) == says
    assert raised.value.is_transient == (status not in (403, 404))


# --- the stacks -------------------------------------------------------------------------------------------


def _with_commands(config: dict[str, Any]) -> None:
    api = config["snu:apps"]["api"]
    api["release"] = {"command": ["migrate"], "documentVariables": ["MONGO_URL", {"APP_NAME": "BUCKET_NAME"}]}
    if config["snu:environment"].get("previewOf"):
        api["seed"] = {"command": ["seed"]}


@pytest.mark.parametrize("stack", ["stage", "pr-12"])
def test_an_app_has_a_job_for_each_command(stack: str) -> None:
    made = build(stack, edited_config(stack, _with_commands))
    job = made.named("api-release-definition")
    assert job.inputs["name"] == f"{'staging' if stack == 'stage' else stack}-api-release"
    assert job.inputs["startupCommands"] == ["migrate"]
    assert job.inputs["timeout"] == "10m0s"
    container = made.named("api-container")
    assert job.inputs["imageUri"] == container.inputs["image"]
    assert "api-release-definition" in container.dependencies
    variables = {**container.inputs["environmentVariables"]}
    assert job.inputs["env"]["MONGO_URL"] == Secret("s3cret-MONGO_URL")
    assert job.inputs["env"]["APP_NAME"] == Secret("s3cret-BUCKET_NAME")
    assert job.inputs["env"].keys() == {*variables, "MONGO_URL", "APP_NAME"}
    seeds = [each for each in made.resources if each.name == "api-seed-definition"]
    assert [each.inputs["startupCommands"] for each in seeds] == ([["seed"]] if stack == "pr-12" else [])
    sharing = {each.name for each in made.resources if "api-release-definition" in each.dependencies}
    images = [each for each in made.of_type(container.type) if each.inputs["image"] == container.inputs["image"]]
    assert sharing == {each.name for each in images}


def test_a_key_that_is_not_stored_yet_fails_the_preview() -> None:
    config = edited_config("pr-12", _with_commands)
    with pytest.raises(pulumi.RunError, match=r"the secret snu-ci-release has no version.*keys store foundation-ci"):
        build("pr-12", config, preview=True, secret_status="destroyed")
    cloud = Cloud(
        document=document_for("pr-12", config),
        foundation={**FOUNDATION_OUTPUTS, "zone": "ci.beta-snu.dev", "releaseSecretIds": None},
    )
    with pytest.raises(pulumi.RunError, match=r"set snu:environments\.ci\.releaseCommands to true in"):
        run(lambda: program.run(NOWHERE), cloud=cloud, stack="pr-12", config=config, preview=True)


def test_a_foundation_provides_a_key_that_only_reaches_jobs() -> None:
    def enable(config: dict[str, Any]) -> None:
        config["snu:environments"]["staging"]["releaseCommands"] = True

    made = build("foundation-stage", edited_config("foundation-stage", enable))
    (rule,) = made.named("staging-release-policy").inputs["rules"]
    assert rule == {"permissionSetNames": ["ServerlessJobsFullAccess"], "projectIds": ["id-of-project"]}
    assert made.named("staging-release-secret").inputs["name"] == "snu-staging-release"
    assert made.outputs["releaseSecretIds"] == {"staging": "id-of-staging-release-secret"}
    readers = [
        each.name
        for each in made.of_type("scaleway:iam/policy:Policy")
        if any('"snu-staging-release"' in rule.get("condition", "") for rule in each.inputs["rules"])
    ]
    assert readers == ["staging-deploy-policy"]
    assert "releaseSecretIds" not in build("foundation-stage", edited_config("foundation-stage")).outputs
