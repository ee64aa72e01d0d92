"""The ``snu`` command line: one Typer app per command group, imported on first use.

``ops.commands`` implements the commands. To add one, define it in its group's module and list it in ``COMMANDS``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "Deploy": {
        "preview": "deploy",
        "up": "deploy",
        "plan": "deploy",
        "plan-discard": "deploy",
        "apply": "deploy",
        "redeploy": "deploy",
        "refresh": "deploy",
        "destroy": "deploy",
    },
    "Inspect": {
        "status": "inspection",
        "outputs": "inspection",
        "open": "inspection",
        "graph": "inspection",
        "logs": "inspection",
        "job": "jobs",
        "drift": "inspection",
        "alerts": "inspection",
        "cost": "inspection",
        "doctor": "inspection",
    },
    "Operate": {"secrets": "secrets"},
    "Release": {
        "promote": "releases",
        "releases": "releases",
        "rollback": "releases",
        "release": "release",
        "hotfix": "hotfix",
        "images": "images",
    },
    "Review": {
        "diff": "review",
        "touched": "review",
        "comment": "review",
        "env": "env",
    },
    "Repair": {
        "recover": "repair",
        "unlock": "repair",
        "unprotect": "repair",
        "state": "state",
    },
    "Set up": {
        "setup": "setup",
        "bootstrap": "setup",
        "adopt": "setup",
        "plan-keys": "setup",
        "keys": "keys",
        "rotate": "rotate",
    },
    "Local Scaleway": {"local": "local"},
}
"""The commands in each panel of ``snu --help``, with their modules in ``ops.cli``."""

_MODULES = {name: module for commands in COMMANDS.values() for name, module in commands.items()}
_UNLIMITED_WIDTH = 1000
"""Maximum width of the help in columns. Wider than any terminal, so the help always fills the terminal."""


class LazyGroup(TyperGroup):
    """Imports a command's module when the command is used."""

    def list_commands(self, _ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer's own context is private
        """Names of all commands, in the same order as in the help."""
        return list(_MODULES)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        """Return the command with this name, or None if it does not exist."""
        if cmd_name in _MODULES:
            self._load(cmd_name)
        else:
            self.load_all()  # the error suggests similar names
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command. ``plan discard`` resolves to ``plan-discard`` because ``plan`` is itself a command."""
        if args[:2] == ["plan", "discard"]:
            args = ["plan-discard", *args[2:]]
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """Write each command panel as a section of the help."""
        self.load_all()
        width = max(map(len, _MODULES))  # the same for all sections
        for panel, names in COMMANDS.items():
            with formatter.section(panel):
                formatter.write_dl(
                    [(name.ljust(width), self.commands[name].get_short_help_str(_UNLIMITED_WIDTH)) for name in names]
                )

    def load_all(self) -> None:
        """Import all command modules."""
        for name in _MODULES:
            self._load(name)

    def _load(self, name: str) -> None:
        if name in self.commands:
            return
        group = typer.main.get_group(import_module(f"{__name__}.{_MODULES[name]}").app)
        commands = {group.name: group} if group.name else group.commands
        self.commands = {**commands, **self.commands}


app = typer.Typer(
    name="snu",
    cls=LazyGroup,
    help="Deploy and operate the SNU platform on Scaleway or the local Scaleway.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _UNLIMITED_WIDTH},
    epilog="Run `snu COMMAND --help` for a command's options and examples. Reference: docs/reference/commands.md.",
)


def complete_group() -> Any:
    """The command line with all commands loaded, for the reference page and tests."""
    group = typer.main.get_command(app)
    assert isinstance(group, LazyGroup)
    group.load_all()
    group.commands = {name: group.commands[name] for name in _MODULES}
    return group


def _print_version(value: bool) -> None:
    if value:
        from ops.commands.version import version_line

        typer.echo(version_line())
        raise typer.Exit


@app.callback()
def snu(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and commit.")
    ] = False,
) -> None:
    """Handle the options of ``snu`` itself."""
