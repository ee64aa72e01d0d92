"""``snu --version``: the project version and the checked-out commit."""

from __future__ import annotations

import tomllib

from ops.errors import OpsError
from ops.git import revision
from ops.stacks import CHECKOUT


def version_line() -> str:
    """The version, such as ``snu 0.1.0 (commit 42c1cd5f3a10)``. Omits the commit outside a Git repository."""
    document = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    version = f"snu {document['project']['version']}"
    try:
        checkout = revision(CHECKOUT)
    except OpsError:
        return version
    return f"{version} (commit {checkout.commit[:12]}{', with uncommitted changes' if checkout.dirty else ''})"
