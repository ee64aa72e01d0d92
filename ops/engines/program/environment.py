"""The environment variables that reach a Pulumi program: none of them can contain a key, token or password."""

from __future__ import annotations

from collections.abc import Mapping

ALLOWED_VARIABLES = (
    # Git's configuration, which decides what belongs to a build's files.
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "PATH",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPYCACHEPREFIX",
    "SYSTEMROOT",
    "TMPDIR",
    "TZ",
    "VIRTUAL_ENV",
    "XDG_CONFIG_HOME",
)


def program_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The allowed part of an environment."""
    return {name: environ[name] for name in ALLOWED_VARIABLES if name in environ}
