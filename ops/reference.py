"""Writes the command-line reference: ``python -m ops.reference > docs/reference/commands.md``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ops.cli import COMMANDS, complete_group
from ops.cli.define import PROGRAM
from ops.durations import shown
from ops.exit_codes import ExitCode

_HEAD = """\
# The `snu` command

For everyone who uses the command line. This page is generated from the command definitions; a test checks that it is
up to date. Update it with `python -m ops.reference > docs/reference/commands.md`.

Run the command as `scripts/snu`, from any directory. `scripts/snu --help`, or `-h` after any command, shows the options
and examples. `scripts/snu --install-completion` sets up shell completion for commands, options and stack names.

On a terminal, the output is a coloured tree that shows progress. In a pipe, in CI or with `NO_COLOR`, it is plain text.
`FORCE_COLOR` adds colours in a pipe or in CI. Secrets are printed as `[secret]`, and values that are unknown before the
update as `output<…>`. Errors go to standard error. Times are in your time zone (`TZ`).

Write durations as `90s`, `10m`, `1h30m` or `2d`, or as a plain number in the option's unit.

After Ctrl-C, `snu` lets running operations finish, starts no new ones, and reports what remains. A second Ctrl-C stops
it immediately.

## JSON

With `--json`, a command prints only a JSON document to standard output. The exit code is the same as without `--json`.
Times are ISO 8601 in UTC.

- The document is an object whose `schema` key identifies the command and the version of the format, such as
  `snu.drift/1`. Adding keys does not change the version. Lists are under a key, such as `updates`.
- `logs` prints one document per line of the log, on one line, because the log may be endless.
- Three commands use another tool's format: `preview` prints the same document as `pulumi preview --json`, `outputs` the
  same as `pulumi stack output --json`, and `touched` a list of stack names for a GitHub Actions job matrix.
"""


def commands_page() -> str:
    """The whole page."""
    group = complete_group()
    return "\n".join([_HEAD, *_exit_codes(), *_overview(group), *_group(group, "snu")])


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "| code | meaning |"
    yield "|---|---|"
    for code in ExitCode:
        yield f"| {code.value} | {code.meaning} |"
    yield "\nCodes below 10 have the same meaning in the Pulumi CLI.\n"


def _overview(group: Any) -> Iterator[str]:
    yield "## Commands\n"
    yield "| for | command | |"
    yield "|---|---|---|"
    for panel, names in COMMANDS.items():
        for name in names:
            yield f"| {panel} | `{name}` | {group.commands[name].get_short_help_str(1000)} |"
    yield ""


def _group(group: Any, name: str) -> Iterator[str]:
    for command in group.commands.values():
        if hasattr(command, "commands"):
            yield f"## `{name} {command.name}`\n\n{command.help}\n"
            yield from _examples(command)
            yield from _group(command, f"{name} {command.name}")
        else:
            yield from _command(command, name)


def _command(command: Any, name: str) -> Iterator[str]:
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    options = [item for item in command.params if item.param_type_name == "option" and item.name != "help"]
    words = " ".join([name, command.name, *(item.metavar for item in arguments)])
    level = "###" if name != "snu" else "##"
    yield f"{level} `{words}`\n\n{command.help}\n"
    yield from _examples(command)
    yield "| option | default | meaning |"
    yield "|---|---|---|"
    for item in options:
        names = ", ".join(f"`{text}`" for text in [*item.opts, *item.secondary_opts])
        yield f"| {names}{_value(item)} | {_default(item)} | {item.help} |"
    yield ""


def examples_of(command: Any) -> list[str]:
    """The example command lines in a command's help, without the program name."""
    lines = (command.epilog or "").splitlines()
    return [line.strip().removeprefix(f"{PROGRAM} ") for line in lines if line.strip().startswith(f"{PROGRAM} ")]


def _examples(command: Any) -> Iterator[str]:
    if examples := examples_of(command):
        yield "\n".join(["```sh", *(f"{PROGRAM} {example}" for example in examples), "```\n"])


def _value(item: Any) -> str:
    return "" if item.is_flag else f" `{item.metavar.replace('|', chr(92) + '|')}`"


def _default(item: Any) -> str:
    if item.is_flag or item.default is None:
        return ""
    return f"`{shown(item.default) if item.metavar == 'DURATION' else item.default}`"


if __name__ == "__main__":
    print(commands_page().rstrip())
