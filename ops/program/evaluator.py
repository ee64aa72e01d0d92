"""Evaluates each revision's program for its stacks: ``python -m ops.program.evaluator``.

Each line of standard input is a JSON object with ``directory``, the folder containing a revision's files, and
``answer`` and ``errors``, the paths of the output files. The answer is a JSON object in which ``stacks`` maps each
stack name to an object that contains either ``refused`` (an error message) or ``urn``, ``project``, ``resources``,
``outputs`` and ``provider`` (all without secrets).

The SDK is imported once. Each revision is then evaluated in a forked process, which imports the program's modules once
and runs the program for each stack in turn. The program comes from the revision and may be malicious: do not rely on
this process to contain it.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import importlib
import json
import logging
import os
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any, NoReturn

import pulumi
import pulumi.runtime
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, provider_pb2, resource_pb2, source_pb2

from ops.engines.program.confine import confine
from ops.program.placeholders import GET_SECRET, GET_SOURCE, GET_VERSION, Placeholders, fill_template
from pulumi_state import schema
from pulumi_state.errors import PulumiError
from pulumi_state.project import project_name
from pulumi_state.stack_file import StackFile
from pulumi_state.urn import ROOT_STACK_TYPE, new_urn
from pulumi_state.values import PropertyMap, from_struct, to_struct, unwrap

with suppress(ImportError):  # only required by programs that use it
    import pulumiverse_scaleway.containers  # noqa: F401 - imported once, before the forks

Stacks = dict[str, dict[str, Any]]

STACK_REFERENCE = "pulumi:pulumi:StackReference"
_TEMPLATE_SUFFIX = ".template"
_PROVIDER_PREFIX = "scaleway:"
_SECRET_SETTINGS = frozenset({"scaleway:accessKey", "scaleway:secretKey"})
_FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
)
_PARALLEL = 16
_IDLE_ROUNDS = 50


class MissingStackError(Exception):
    """The program refers to a stack that has not been evaluated yet."""

    def __init__(self, stack: str) -> None:
        super().__init__(stack)
        self.stack = stack


# --- one stack ------------------------------------------------------------------------------------------------------


class Monitor:
    """Records a program's registrations in place of an engine."""

    def __init__(
        self, project: str, stack: str, placeholders: Placeholders, document: str, known: Mapping[str, Any]
    ) -> None:
        """``document`` is the secret document; ``known`` maps other stacks to their outputs, or to None if refused."""
        self._project = project
        self._stack = stack
        self._placeholders = placeholders
        self._document = document
        self._known = known
        self.urn = new_urn(stack, project, "", ROOT_STACK_TYPE, f"{project}-{stack}")
        self.resources: list[dict[str, Any]] = []
        self.outputs: dict[str, Any] = {}
        self.outputs_in_clear: PropertyMap = {}
        self.missing: str | None = None
        self.errors: list[str] = []

    def GetDeploymentInfo(self, request: Any) -> Any:
        return resource_pb2.DeploymentInfo(
            project=self._project, stack=self._stack, dryRun=True, parallel=_PARALLEL, supportedFeatures=_FEATURES
        )

    def SupportsFeature(self, request: Any) -> Any:
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in ("secrets", "aliasSpecs"))

    def RegisterResource(self, request: Any) -> Any:
        if request.type == ROOT_STACK_TYPE:
            return resource_pb2.RegisterResourceResponse(urn=self.urn)
        urn = new_urn(self._stack, self._project, request.parent, request.type, request.name)
        inputs = from_struct(request.object)
        self.resources.append(
            {
                "urn": urn,
                "type": request.type,
                "name": request.name,
                "parent": request.parent,
                "custom": request.custom,
                "protect": request.protect,
                "dependencies": sorted(request.dependencies),
                "inputs": self._placeholders.shown(inputs),
                "ignoreChanges": list(request.ignoreChanges),
                "replaceOnChanges": list(request.replaceOnChanges),
                "aliases": [*map(_alias, request.aliases), *({"urn": former} for former in request.aliasURNs)],
            }
        )
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        outputs = self._placeholders.outputs(request.type, request.name, inputs)
        resource_id = self._placeholders.id(request.type, request.name, inputs)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=resource_id, object=to_struct(outputs))

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if request.urn == self.urn:
            self.outputs_in_clear = from_struct(request.outputs)
            self.outputs = self._placeholders.shown(self.outputs_in_clear)
        return empty_pb2.Empty()

    def ReadResource(self, request: Any) -> Any:
        urn = new_urn(self._stack, self._project, request.parent, request.type, request.name)
        inputs = from_struct(request.properties)
        if request.type == STACK_REFERENCE:
            properties = {"name": request.id, "outputs": self._outputs_of(request.id), "secretOutputNames": []}
        else:
            properties = self._placeholders.outputs(request.type, request.name, inputs)
        response = resource_pb2.ReadResourceResponse(urn=urn, properties=to_struct(properties))
        if "id" in response.DESCRIPTOR.fields_by_name:  # newer SDKs treat a read without an id as unknown
            setattr(response, "id", request.id)  # noqa: B010 - the types are those of the pinned SDK
        return response

    def _outputs_of(self, reference: str) -> PropertyMap:
        name = reference.rpartition("/")[2]
        if name == self._stack:
            return {}
        if name not in self._known:
            self.missing = name
            raise MissingStackError(name)
        if self._known[name] is None:
            raise pulumi.RunError(f"it references the stack {name}, which failed to evaluate or has no file")
        outputs: PropertyMap = self._known[name]
        return outputs

    def Invoke(self, request: Any) -> Any:
        arguments = from_struct(request.args)
        if request.tok == GET_VERSION:
            answer = {"data": self._document, "revision": "1", "secretId": unwrap(arguments.get("secretId")) or ""}
        elif request.tok == GET_SECRET:
            answer = {**unwrap(arguments), "versions": [{"status": "enabled"}]}
        elif request.tok == GET_SOURCE:
            answer = self._placeholders.source(unwrap(arguments))
        else:
            reason = f"the program invokes {request.tok}, for which `scripts/snu diff` has no placeholder"
            return resource_pb2.ResourceInvokeResponse(failures=[provider_pb2.CheckFailure(reason=reason)])
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(answer))
        return response

    def SignalAndWaitForShutdown(self, request: Any) -> Any:
        return empty_pb2.Empty()

    def __getattr__(self, name: str) -> Any:
        def refuse(_request: Any) -> Any:
            raise pulumi.RunError(f"the program uses Pulumi's {name}, which `scripts/snu diff` does not support")

        return refuse

    # --- the engine's side -------------------------------------------------------------------------------

    def Log(self, request: Any) -> Any:
        if request.severity == engine_pb2.ERROR:
            self.errors.append(request.message)
        return empty_pb2.Empty()

    def SetRootResource(self, request: Any) -> Any:
        return engine_pb2.SetRootResourceResponse()

    def GetRootResource(self, request: Any) -> Any:
        return engine_pb2.GetRootResourceResponse(urn=self.urn)


def _alias(alias: Any) -> dict[str, Any]:
    if alias.WhichOneof("alias") == "urn":
        return {"urn": alias.urn}
    spec = alias.spec
    return {
        "name": spec.name,
        "type": spec.type,
        "stack": spec.stack,
        "project": spec.project,
        "parent": spec.parentUrn,
        "no_parent": spec.noParent,
    }


def _evaluate(
    directory: Path, project: str, stack: str, config: Mapping[str, Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    """Evaluate one stack; never raises."""
    placeholders = Placeholders()
    values, secret_keys = placeholders.config(config, project)
    monitor = Monitor(project, stack, placeholders, placeholders.document(config), known)
    try:
        _run(directory, project, stack, values, secret_keys, monitor)
    except pulumi.RunError as error:
        refused = str(error)
    except SystemExit as error:
        refused = f"the program exited with status {error.code}"
    except BaseException as error:
        refused = _described(error, directory)
    else:
        refused = "\n".join(monitor.errors)
    if monitor.missing is not None:
        return {"missing": monitor.missing}
    if refused:
        return {"refused": refused}
    return {
        "urn": monitor.urn,
        "project": project,
        "resources": monitor.resources,
        "outputs": monitor.outputs,
        "provider": _provider_config(values, placeholders),
        "in_clear": monitor.outputs_in_clear,
    }


def _provider_config(values: Mapping[str, str], placeholders: Placeholders) -> dict[str, Any]:
    """The provider's configuration, which is not in any resource's inputs."""
    found = {key: text for key, text in values.items() if key.startswith(_PROVIDER_PREFIX)}
    return {
        key.removeprefix(_PROVIDER_PREFIX): placeholders.hidden(text) if key in _SECRET_SETTINGS else text
        for key, text in found.items()
    }


def _run(
    directory: Path, project: str, stack: str, values: dict[str, str], secret_keys: list[str], monitor: Monitor
) -> None:
    """Run the program; propagates its exceptions, including those raised inside outputs."""
    pulumi.runtime.set_all_config(values, secret_keys)
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=project,
            stack=stack,
            organization="organization",
            monitor=monitor,
            engine=monitor,
            parallel=_PARALLEL,
            dry_run=True,
            root_directory=str(directory),
        )
    )
    # Tasks that depend on a refused registration are never awaited; asyncio would log each.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(_AtOnce())
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _program(str(directory))))
    finally:
        for task in asyncio.all_tasks(loop):  # tasks that depend on a refused registration
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def _program(directory: str) -> None:
    """Run the program until all of its outputs are resolved or the remaining ones make no progress.

    The SDK's wait is slower: it checks all outputs whenever one is resolved.
    """
    runpy.run_path(directory, run_name="__main__")
    outputs, left, idle = pulumi.runtime.settings.SETTINGS.outputs, 0, 0
    while outputs and idle < _IDLE_ROUNDS:
        await asyncio.sleep(0)
        idle = idle + 1 if len(outputs) == left else 0
        left = len(outputs)


class _AtOnce(ThreadPoolExecutor):
    """Runs calls synchronously in the calling thread, because the monitor is in this process and does not block."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments, **more))
        except BaseException as error:
            future.set_exception(error)
        return future


def _described(error: BaseException, directory: Path) -> str:
    """The program's exception on one line, with its file and line number."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(directory):
            return f"{text} ({path.relative_to(directory)}, line {frame.lineno})"
    return text.replace(f"{directory}{os.sep}", "")


# --- a revision -----------------------------------------------------------------------------------------------------


class Revision:
    """A folder's stacks, each evaluated once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._project = ""
        self._configs: dict[str, Any] = {}
        """Each stack's ``config``, or an error message if it was refused."""
        self._found: Stacks = {}
        self._outputs: dict[str, PropertyMap | None] = {}
        """Each stack's outputs in clear text, for stacks that reference it; None if it was refused."""
        self._fresh_imports = not _import_program(directory)

    def evaluate(self) -> Stacks:
        files = _stack_files(self._directory)
        try:
            self._project = project_name(self._directory)
        except PulumiError as error:
            return {stack: {"refused": _without_folder(error, self._directory)} for stack in files}
        self._configs = {stack: _config(path) for stack, path in files.items()}
        for stack in self._configs:
            self._ensure(stack, ())
        return {stack: self._found[stack] for stack in self._configs}

    def _ensure(self, stack: str, waiting: tuple[str, ...]) -> None:
        """Evaluate a stack after the stacks it references; ``waiting`` contains the stacks that reference it."""
        if stack in self._found:
            return
        config = self._configs.get(stack, f"Pulumi.{stack}.yaml does not exist")
        if isinstance(config, str):
            self._found[stack] = {"refused": config}
            self._outputs[stack] = None
            return
        needed = _foundation(config)
        while True:
            if needed is not None:
                if needed in (*waiting, stack):
                    self._found[needed] = {"refused": f"it and {stack} reference each other"}
                    self._outputs[needed] = None
                self._ensure(needed, (*waiting, stack))
            found = copy_context().run(_evaluate, self._directory, self._project, stack, config, self._outputs)
            if self._fresh_imports:
                _forget_program(self._directory)
            needed = found.get("missing")
            if needed is None:
                break
        self._outputs[stack] = found.pop("in_clear", None)
        self._found.setdefault(stack, found)


def _foundation(config: Mapping[str, Any]) -> str | None:
    """The foundation named in a stack's settings; evaluating it first avoids a second attempt."""
    environment = config.get("snu:environment")
    found = environment.get("foundation") if isinstance(environment, dict) else None
    return found if isinstance(found, str) else None


def _stack_files(directory: Path) -> dict[str, Path]:
    """Stack files by stack name, sorted; a template counts as a stack named after it."""
    paths = {path.name.removeprefix("Pulumi.").removesuffix(".yaml"): path for path in directory.glob("Pulumi.*.yaml")}
    return {name: paths[name] for name in sorted(paths) if "." not in name.removesuffix(_TEMPLATE_SUFFIX)}


def _config(path: Path) -> Mapping[str, Any] | str:
    """The file's ``config``, or an error message."""
    try:
        file = StackFile.read(path)
        if path.stem.endswith(_TEMPLATE_SUFFIX):
            file = StackFile.parse(fill_template(path.read_text(encoding="utf-8")), path.name)
    except (OSError, PulumiError) as error:
        return _without_folder(error, path.parent)
    return file.config


def _without_folder(error: Exception, folder: Path) -> str:
    return str(error).replace(f"{folder}{os.sep}", "")


# --- the process ----------------------------------------------------------------------------------------------------


def _import_program(directory: Path) -> bool:
    """Import the modules used by ``__main__.py`` once for all stacks.

    Returns False if the modules cannot be imported outside a stack; each evaluation then has to import them again.
    """
    try:
        for name in _imports(directory / "__main__.py"):
            importlib.import_module(name)
    except BaseException:
        _forget_program(directory)
        return False
    return True


def _forget_program(directory: Path) -> None:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name != "__main__" and file and Path(file).is_relative_to(directory):
            del sys.modules[name]


def _imports(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise a clear error if the program connects to the network; this is not a security boundary."""
    if event == "socket.connect":
        address = arguments[1]
        raise pulumi.RunError(f"the program connects to {address}, but `scripts/snu diff` allows no network access")


def _evaluate_revision(directory: Path, answer: Path) -> None:
    # The program imports from its own folder, never from ours.
    ours = str(Path(__file__).resolve().parents[2])
    sys.path[:] = [str(directory), *(entry for entry in sys.path if entry and str(Path(entry).resolve()) != ours)]
    for name in [name for name in sys.modules if name.partition(".")[0] == "pulumi_state"]:
        del sys.modules[name]
    os.chdir(directory)
    sys.argv = [str(directory)]
    sys.addaudithook(_refuse_network)
    confine()
    stacks = Revision(directory).evaluate()
    answer.write_text(json.dumps({"stacks": stacks}))


def _load_sdk() -> None:
    """Load the provider's modules, which would otherwise be imported on first access."""
    for name in schema.modules():
        with suppress(KeyError):
            getattr(sys.modules[f"pulumiverse_scaleway.{name}"], "__all__", None)


def _leave_out_traces() -> None:
    """Skip the stack traces of registrations: only engines use them, and they take a third of the evaluation time."""
    from pulumi.runtime import resource

    if hasattr(resource, "_get_stack_trace"):
        resource._get_stack_trace = source_pb2.StackTrace


def _main() -> None:
    _load_sdk()
    _leave_out_traces()
    gc.disable()  # no process lives long enough for collection to pay off
    children = []
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _in_child(request)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def _in_child(request: Mapping[str, str]) -> NoReturn:
    """Evaluate a revision, writing the program's output to the errors file."""
    try:
        errors = os.open(request["errors"], os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(errors, 1)
        os.dup2(errors, 2)
        _evaluate_revision(Path(request["directory"]).resolve(), Path(request["answer"]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    _main()
