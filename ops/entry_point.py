"""The installed command ``snu``: works on the project of the working directory."""

from __future__ import annotations

from pathlib import Path

from ops import stacks


def snu() -> int:
    """Run the command on the nearest project, from the working directory upwards.

    Outside of any project it works on the checkout that it is installed from, as ``scripts/snu`` always does.
    """
    from ops.__main__ import run  # never imported by another module: it is also run as the module `__main__`

    stacks.default_project = stacks.enclosing_project(Path.cwd())
    return run()
