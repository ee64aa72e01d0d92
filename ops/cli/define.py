"""Defines commands: expands option groups into individual options and adds examples to the help."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from typer.models import ArgumentInfo

from ops.cli.options import complete_stack
from ops.durations import shown
from ops.errors import OpsError, UnknownNameError
from ops.exit_codes import ExitCode

if TYPE_CHECKING:
    from ops.misplaced_stack import CommandLine

PROGRAM = "scripts/snu"
"""The command, ready to paste into a shell in the root directory of the checkout."""

Command = Callable[..., ExitCode]


def group(name: str, help_text: str, *, runs_alone: bool = False) -> typer.Typer:
    """Create an app for the commands of ``snu NAME``. ``runs_alone``: ``snu NAME`` is itself a command."""
    return typer.Typer(
        name=name,
        help=help_text,
        no_args_is_help=not runs_alone,
        invoke_without_command=runs_alone,
        rich_markup_mode=None,
    )


def top_level() -> typer.Typer:
    """Create an app for top-level commands."""
    app = typer.Typer(rich_markup_mode=None)
    app.callback()(_no_options)  # makes Typer build a group even for a single command
    return app


def command(
    app: typer.Typer, name: str | None = None, *, examples: Sequence[str], extra_arguments: bool = False
) -> Callable[[Command], Command]:
    """Register a command. A dataclass parameter becomes one option per field.

    ``examples``: command lines without the program name. ``extra_arguments``: the command itself rejects surplus
    arguments, which are in its context's ``args``.
    """

    def register(function: Command) -> Command:
        run = expand(function, extra_arguments=extra_arguments)
        # The message about surplus arguments contains the right command.
        app.command(name, epilog=example_text(examples), context_settings={"allow_extra_args": True})(run)
        return function

    return register


def example_text(examples: Sequence[str]) -> str:
    """Format the examples for the end of a command's help. ``\\b`` keeps Click from joining the lines."""
    title = "Example" if len(examples) == 1 else "Examples"
    return "\n".join(["\b", f"{title}:", *(f"  {PROGRAM} {example}" for example in examples)])


def expand(function: Command, *, extra_arguments: bool = False) -> Command:
    """Replace a function's option groups with one parameter per option. Shared options come last in the help.

    If a stack is named in the wrong place, the error contains the right command.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, type] = {}
    own: list[inspect.Parameter] = []
    shared: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints[name]
        if is_dataclass(hint):
            groups[name] = hint  # type: ignore[assignment]  # narrowed to an instance or a class; this is the class
            for member in _members(groups[name]):
                (own if _is_argument(member) else shared).append(member)
        else:
            own.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hint))
    parameters = [_with_shown_duration(each) for each in [*own, *shared]]
    parameters.sort(key=lambda parameter: parameter.name == "cwd")

    takes_context = any(parameter.annotation is typer.Context for parameter in parameters)
    if not takes_context:
        parameters.append(inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))

    @wraps(function)
    def run(**values: Any) -> ExitCode:
        context = values["context"] if takes_context else values.pop("context")
        if context.args and not extra_arguments:
            _refuse_surplus(context, parameters)
        given = {
            name: kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            for name, kind in groups.items()
        }
        try:
            return function(**values, **given)
        except UnknownNameError as error:
            line = _command_line(context, parameters)
            if error.name in line.words and (correction := line.correction()):
                raise OpsError(f"{error}{correction}", error.code) from None
            raise

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by typer
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


@cache
def _members(kind: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(kind)
    ]


def _metadata(parameter: inspect.Parameter) -> tuple[Any, ...]:
    return getattr(parameter.annotation, "__metadata__", ())


def _is_argument(parameter: inspect.Parameter) -> bool:
    return any(isinstance(each, ArgumentInfo) for each in _metadata(parameter))


def _command_line(context: typer.Context, parameters: Sequence[inspect.Parameter]) -> CommandLine:
    """The arguments that a command was called with."""
    from ops.misplaced_stack import Argument, CommandLine

    arguments = list[Argument]()
    for parameter in parameters:
        for info in _metadata(parameter):
            if isinstance(info, ArgumentInfo):
                value = context.params[parameter.name]
                words = value if isinstance(value, list | tuple) else [] if value is None else [value]
                is_stack = info.autocompletion is complete_stack
                arguments.append(Argument(str(info.metavar), is_stack, [str(word) for word in words]))
    has_stack_option = any("--stack" in each.opts for each in context.command.params)
    command = context.command_path.partition(" ")[2]
    return CommandLine(command, arguments, context.args, has_stack_option, context.params.get("cwd"))


def _refuse_surplus(context: typer.Context, parameters: Sequence[inspect.Parameter]) -> None:
    """Raises an error for arguments that the command does not expect."""
    from ops.report.text import safe

    line = _command_line(context, parameters)
    problem = f"Expected {line.expected}, found {safe(' '.join(line.words))}."
    if correction := line.correction():
        raise OpsError(problem + correction, ExitCode.USAGE)
    context.fail(problem)


def _with_shown_duration(parameter: inspect.Parameter) -> inspect.Parameter:
    """Make the help show a default in seconds as a duration."""
    option = next((each for each in _metadata(parameter) if getattr(each, "metavar", "") == "DURATION"), None)
    if option is None or not isinstance(parameter.default, float):
        return parameter
    option = copy(option)
    option.show_default = shown(parameter.default)
    return parameter.replace(annotation=Annotated[float, option])


def _no_options() -> None:
    """A callback without any options."""
