"""Commands that run as jobs before a container is created or changed, such as migrations."""

import asyncio
import base64
import itertools
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumiverse_scaleway import secrets

from .health import callbacks_are_served
from .jobs import ScheduledJob

_PLATFORM_API = "https://api.scaleway.com"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_REQUEST_SECONDS = 30.0
_POLL_SECONDS = 2.0
_START_SECONDS = 600.0
"""Seconds that a run may take to start, in addition to its own timeout."""
_PAGE_SIZE = 100
_SUCCEEDED = "succeeded"
_UNCHANGED = "The container was not changed."
_ENDED = (_SUCCEEDED, "failed", "interrupted")


Run = Mapping[str, Any]
"""A job run, as Scaleway's API returns it."""


class CommandArgs(TypedDict):
    """Arguments of `Command`."""

    app: str
    """Name of the app, used in messages."""
    kind: str
    """`release` or `seed`, used in messages and names."""
    command: Sequence[str]
    """The command as shown in messages. The job's definition determines what runs."""
    timeout: int
    """Seconds after which the platform stops a run."""
    job: ScheduledJob
    """The job that runs the command."""
    access_id: pulumi.Input[str]
    """Id of the secret with the API key that starts the job: a JSON object with the key `secretKey`."""
    log_hint: Callable[[str], str]
    """Returns the command that shows the log of a run."""
    key_hint: str
    """How to replace the API key."""
    each_version: bool
    """Whether the command runs once per image version; otherwise, it runs once, before the container is created."""
    api_url: NotRequired[str | None]
    """URL of the Scaleway API. Default: the platform's."""


class Command:
    """A command that runs as a job before containers change."""

    def __init__(self, args: CommandArgs) -> None:
        """Register the command's hook, unless the engine cannot call hooks, as with Pulumi's mocks."""
        self._args = args
        self.job = args["job"]
        self._title = f"{args['kind']} command of {args['app']}"
        self._variable = f"SNU_{args['kind'].upper()}"
        """The variable that identifies the runs of a version."""
        self._is_preview = pulumi.runtime.is_dry_run()
        self._lock = asyncio.Lock()
        """Serializes the hooks of containers that run the same image."""
        self._results: dict[str, pulumi.RunError | None] = {}
        """The command's error in this update, by version; None if it succeeded."""
        self.hooks: pulumi.ResourceHookBinding | None = None
        """The hooks of the containers."""
        if callbacks_are_served():
            # A preview only announces the command.
            options = pulumi.ResourceHookOptions(on_dry_run=True)
            hook = pulumi.ResourceHook(f"{args['app']}-{args['kind']}", self._before_change, options)
            updates = [hook] if args["each_version"] else []
            self.hooks = pulumi.ResourceHookBinding(before_create=[hook], before_update=[*updates])

    async def _before_change(self, args: pulumi.ResourceHookArgs) -> None:
        """Run the command unless it has already succeeded. Raises `pulumi.RunError` if it does not succeed."""
        image = (args.new_inputs or {}).get("image")
        if args.old_inputs is not None and args.old_inputs.get("image") == image:
            return
        version = str(image).rpartition("@")[2] if self._args["each_version"] else "once"
        async with self._lock:
            if version not in self._results:
                self._results[version] = await self._result(version)
        if (error := self._results[version]) is not None:
            raise error

    async def _result(self, version: str) -> pulumi.RunError | None:
        if self._is_preview:
            self._say(f"would run the {self._title}: {' '.join(self._args['command'])}")
            return None
        try:
            definition = await _resolved(self.job.definition_id)
            await self._run_once(_Jobs(self._args.get("api_url"), definition, await self._key()), version)
        except pulumi.RunError as error:
            return error
        except _ApiError as error:
            remedy = f" {self._args['key_hint']}" if error.status in (401, 403) else ""
            return pulumi.RunError(f"cannot run the {self._title}: {error}. {_UNCHANGED}{remedy}")
        return None

    async def _run_once(self, api: "_Jobs", version: str) -> None:
        run = await self._latest(api, version)
        if run is not None and run["state"] == _SUCCEEDED:
            self._say(f"the {self._title} has already succeeded (run {run['id']})")
            return
        doing = "waiting for"
        if run is None or run["state"] in _ENDED:
            run = await api.start({self._variable: version})
            doing = "running"
        self._say(
            f"{doing} the {self._title} (run {run['id']}), which continues if the update is cancelled. "
            f"{self._log_of(run)}"
        )
        run = await self._ended(api, run)
        if run["state"] != _SUCCEEDED:
            state = "was interrupted" if run["state"] == "interrupted" else str(run["state"])
            raise pulumi.RunError(f"the {self._title} {state}{_reason(run)}. {_UNCHANGED} {self._log_of(run)}")
        self._say(f"the {self._title} has succeeded (run {run['id']})")

    async def _latest(self, api: "_Jobs", version: str) -> Run | None:
        """Return a version's successful run, or else its newest. None if there is none."""
        newest = None
        async for run in api.runs():
            if (run.get("environment_variables") or {}).get(self._variable) == version:
                if run["state"] == _SUCCEEDED:
                    return run
                newest = newest or run
        return newest

    async def _ended(self, api: "_Jobs", run: Run) -> Run:
        """Wait for a run. Raises `pulumi.RunError` if the platform does not stop it in time."""
        limit = self._args["timeout"] + _START_SECONDS
        deadline = time.monotonic() + limit
        while run["state"] not in _ENDED:
            if time.monotonic() > deadline:
                raise pulumi.RunError(
                    f"the {self._title} has not finished after {round(limit / 60)} minutes (run {run['id']}, "
                    f"{run['state']}). {_UNCHANGED} {self._log_of(run)}"
                )
            await asyncio.sleep(_POLL_SECONDS)
            try:
                run = await api.run(run["id"])
            except _ApiError as error:
                if not error.is_transient:
                    raise
        return run

    async def _key(self) -> str:
        """Read the secret key with the provider's own key."""
        found = secrets.get_version_output(
            secret_id=await _resolved(self._args["access_id"]),
            revision="latest_enabled",
            opts=pulumi.InvokeOptions(parent=self.job),
        )
        try:
            return str(json.loads(base64.b64decode((await _resolved(found)).data))["secretKey"])
        except (ValueError, KeyError, TypeError):
            problem = f"the secret with the API key for the {self._title} is invalid"
            raise pulumi.RunError(f"{problem}. {self._args['key_hint']}") from None

    def _log_of(self, run: Run) -> str:
        return f"To show its log: {self._args['log_hint'](str(run['id']))}"

    def _say(self, message: str) -> None:
        pulumi.log.info(message, self.job)


class _ApiError(Exception):
    """A request failed. The message contains no key."""

    def __init__(self, message: str, status: int) -> None:
        """`status` is the HTTP status, or 0 if there was no response."""
        super().__init__(message)
        self.status = status

    @property
    def is_transient(self) -> bool:
        return self.status in (0, 429) or self.status >= 500


class _Jobs:
    """The runs of one job definition: https://www.scaleway.com/en/developers/api/serverless-jobs/."""

    def __init__(self, url: str | None, definition: str, secret_key: str) -> None:
        """`definition` is the id of the definition, with its region: `fr-par/1a2b…`."""
        region, _, self._definition = definition.rpartition("/")
        url = url or _PLATFORM_API
        self._base = f"{url.rstrip('/')}/serverless-jobs/v1alpha2/regions/{region}"
        self._secret_key = secret_key
        is_local = urllib.parse.urlsplit(url).hostname in _LOOPBACK
        self._opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if is_local else []))

    async def runs(self) -> AsyncIterator[Run]:
        """Yield all runs, newest first."""
        query = {"job_definition_id": self._definition, "order_by": "created_at_desc", "page_size": _PAGE_SIZE}
        for page in itertools.count(1):
            answer = await self._request(f"/job-runs?{urllib.parse.urlencode({**query, 'page': page})}")
            for run in answer["job_runs"]:
                yield run
            if page * _PAGE_SIZE >= answer["total_count"]:
                return

    async def run(self, id: str) -> Run:
        answer: Run = await self._request(f"/job-runs/{id}")
        return answer

    async def start(self, variables: Mapping[str, str]) -> Run:
        """Start a run. Not retried, because two concurrent runs of a command could cause damage."""
        body = {"environment_variables": dict(variables), "replicas": 1}
        try:
            answer = await self._request(f"/job-definitions/{self._definition}/start", body)
        except _ApiError as error:
            if error.status == 0 or error.status >= 500:
                message = f"{error}. The run may have started anyway; the next update will look for it"
                raise _ApiError(message, error.status) from None
            raise
        run: Run = answer["job_runs"][0]
        return run

    async def _request(self, path: str, body: Any = None) -> Any:
        # In another thread, because the program's event loop also serves the engine.
        return await asyncio.to_thread(self._response, path, body)

    def _response(self, path: str, body: Any) -> Any:
        headers = {"X-Auth-Token": self._secret_key, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, headers)  # noqa: S310 - the URL is configured
        try:
            with self._opener.open(request, timeout=_REQUEST_SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise _ApiError(f"Scaleway returned {error.code}{_message(error)}", error.code) from None
        except (OSError, ValueError) as error:
            raise _ApiError(f"Scaleway did not respond: {getattr(error, 'reason', error)}", 0) from None


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return f": {json.load(error)['message']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _reason(run: Run) -> str:
    """Why a run failed: `: timeout` or `: exit code 1: …`."""
    reason = str(run.get("reason") or "").replace("_", " ")
    code = f"exit code {run['exit_code']}" if run.get("exit_code") else ""
    parts = ["" if reason == "unknown reason" else reason, code, str(run.get("error_message") or "")]
    return "".join(f": {part}" for part in parts if part)


async def _resolved(value: pulumi.Input[Any]) -> Any:
    return await pulumi.Output.from_input(value).future()
