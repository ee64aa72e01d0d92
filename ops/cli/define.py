"""Defines commands: expands groups of options into single ones, and adds examples to the help."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, wraps
from typing import Annotated, Any, get_type_hints

import typer
from typer.models import ArgumentInfo

from ops.durations import shown
from ops.exit_codes import ExitCode

PROGRAM = "scripts/snu"
"""The command as it can be pasted into a shell at the root of the checkout."""

Command = Callable[..., ExitCode]


def group(name: str, help_text: str, *, runs_alone: bool = False) -> typer.Typer:
    """The app for the commands of ``snu NAME``. ``runs_alone``: ``snu NAME`` is a command itself."""
    return typer.Typer(
        name=name,
        help=help_text,
        no_args_is_help=not runs_alone,
        invoke_without_command=runs_alone,
        rich_markup_mode=None,
    )


def top_level() -> typer.Typer:
    """The app for commands of ``snu`` itself."""
    app = typer.Typer(rich_markup_mode=None)
    app.callback()(_no_options)  # so that one command is a group, too
    return app


def command(app: typer.Typer, name: str | None = None, *, examples: Sequence[str]) -> Callable[[Command], Command]:
    """Register a command. A parameter whose type is a dataclass stands for the options that are its fields.

    ``examples``: command lines without the program's name.
    """

    def register(function: Command) -> Command:
        app.command(name, epilog=example_text(examples))(expand(function))
        return function

    return register


def example_text(examples: Sequence[str]) -> str:
    """The examples as the end of a command's help; ``\\b`` keeps Click from joining its lines."""
    title = "Example" if len(examples) == 1 else "Examples"
    return "\n".join(["\b", f"{title}:", *(f"  {PROGRAM} {example}" for example in examples)])


def expand(function: Command) -> Command:
    """Return the function with one parameter for each option of its groups; shared options come last in the help."""
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

    @wraps(function)
    def run(**values: Any) -> ExitCode:
        given = {
            name: kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            for name, kind in groups.items()
        }
        return function(**values, **given)

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


def _with_shown_duration(parameter: inspect.Parameter) -> inspect.Parameter:
    """Let the help show a default in seconds as a duration."""
    option = next((each for each in _metadata(parameter) if getattr(each, "metavar", "") == "DURATION"), None)
    if option is None or not isinstance(parameter.default, float):
        return parameter
    option = copy(option)
    option.show_default = shown(parameter.default)
    return parameter.replace(annotation=Annotated[float, option])


def _no_options() -> None:
    """Nothing to do before a command."""
