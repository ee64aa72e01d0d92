"""The installed ``snu`` command, which works on the project in the working directory."""

from __future__ import annotations

from pathlib import Path

from ops import stacks


def snu() -> int:
    """Run the command on the project in the working directory or its nearest parent folder that contains one.

    Outside any project, it works on the checkout from which it was installed, as ``scripts/snu`` always does.
    """
    from ops.__main__ import run  # never imported by another module: it is also run as the module `__main__`

    stacks.default_project = stacks.enclosing_project(Path.cwd())
    return run()
