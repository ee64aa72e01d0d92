"""Writes the reference of the command line: ``python -m ops.reference > docs/reference/commands.md``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from ops.cli import app
from ops.durations import shown
from ops.exit_codes import ExitCode

_HEAD = """\
# The command `snu`

Generated from the command line's own definitions; a test keeps it up to date. Update it with
`python -m ops.reference > docs/reference/commands.md`.

Run it as `scripts/snu`, from any folder. On a terminal it draws a coloured tree and shows what is under way; in a
pipe, in CI and with `NO_COLOR` it writes plain lines. Secrets read `[secret]`, and what a preview cannot know yet
reads `output<…>`. Errors go to standard error.

Ctrl-C lets the operations under way end, starts no more, and says what is left; a second one stops at once.
"""


def commands_page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_exit_codes(), *_group(typer.main.get_command(app), "snu")])


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "| code | meaning |"
    yield "|---|---|"
    for code in ExitCode:
        yield f"| {code.value} | {code.meaning} |"
    yield "\nCodes below 10 mean what they mean in the Pulumi CLI.\n"


def _group(group: Any, name: str) -> Iterator[str]:
    for command in group.commands.values():
        if hasattr(command, "commands"):
            yield f"## `{name} {command.name}`\n\n{command.help}\n"
            yield from _group(command, f"{name} {command.name}")
        else:
            yield from _command(command, name)


def _command(command: Any, name: str) -> Iterator[str]:
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    options = [item for item in command.params if item.param_type_name == "option" and item.name != "help"]
    words = " ".join([name, command.name, *(item.metavar for item in arguments)])
    level = "###" if name != "snu" else "##"
    yield f"{level} `{words}`\n\n{command.help}\n"
    yield "| option | default | meaning |"
    yield "|---|---|---|"
    for item in options:
        names = ", ".join(f"`{text}`" for text in [*item.opts, *item.secondary_opts])
        yield f"| {names}{_value(item)} | {_default(item)} | {item.help} |"
    yield ""


def _value(item: Any) -> str:
    return "" if item.is_flag else f" `{item.metavar.replace('|', chr(92) + '|')}`"


def _default(item: Any) -> str:
    if item.is_flag or item.default is None:
        return ""
    return f"`{shown(item.default) if item.metavar == 'DURATION' else item.default}`"


if __name__ == "__main__":
    print(commands_page().rstrip())
