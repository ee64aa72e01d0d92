"""``snu --version``: the version of the project and the commit that is checked out."""

from __future__ import annotations

import tomllib

from ops.errors import OpsError
from ops.git import revision
from ops.stacks import CHECKOUT


def version_line() -> str:
    """Such as ``snu 0.1.0 (commit 42c1cd5f3a10)``; without the commit outside of a Git repository."""
    document = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    version = f"snu {document['project']['version']}"
    try:
        checkout = revision(CHECKOUT)
    except OpsError:
        return version
    return f"{version} (commit {checkout.commit[:12]}{', with uncommitted changes' if checkout.dirty else ''})"
