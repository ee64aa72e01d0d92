"""The environment variables that a Pulumi program receives, none of which contains a key, token or password."""

from __future__ import annotations

from collections.abc import Mapping

ALLOWED_VARIABLES = (
    # For Git's configuration, which decides which files belong to a build.
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
    """The variables of an environment that a program may receive."""
    return {name: environ[name] for name in ALLOWED_VARIABLES if name in environ}
