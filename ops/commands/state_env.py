"""``snu state env``: the variables for plain `pulumi`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.factory import warn
from ops.stacks import Stack
from ops.state.backend import BackendKind, backend_of
from ops.state.backend_document import VARIABLES
from ops.state.backend_environment import backend_environment
from pulumi_state.variables import BACKEND_URL, PASSPHRASE, PASSPHRASE_FILE, ROOT_CERTIFICATE

_NAMES = (*VARIABLES, PASSPHRASE_FILE, ROOT_CERTIFICATE)
"""All variables that this command may export."""


def env(stack: Stack, environ: Mapping[str, str]) -> ExitCode:
    """Print commands for a POSIX shell that export the stack's backend, passphrase and keys.

    Variables that are already set for another stack are ignored. Raises OpsError on a terminal, where the secrets would
    be displayed, or if the backend is unknown.
    """
    if sys.stdout.isatty():
        raise OpsError(
            "The output contains secrets, so it is not printed to a terminal. Run: "
            f'eval "$(scripts/snu state env {stack.name})"',
            ExitCode.USAGE,
        )
    backend = backend_of(stack)
    inherited = {name: value for name, value in environ.items() if name not in _NAMES}
    remarks: list[str] = []
    if backend.kind is BackendKind.FILE:
        found = backend_environment(stack, inherited)
    elif backend.kind is BackendKind.UNKNOWN:
        found = backend_environment(stack, environ)
    else:
        from ops.state.backend_lookup import shell_variables_of

        document, found = shell_variables_of(stack, backend, inherited)
        if document.open_instance:
            remarks.append(_closed(stack.name, document.open_instance, backend.foundation))
    variables = {name: found[name] for name in _NAMES if name in found}
    if backend.kind is not BackendKind.FILE:
        remarks.insert(0, _exposed(variables, stack.name))
    if stack.generated_config_file is not None:
        remarks.append(
            f"The local Scaleway uses a different port than {stack.file.name}: add "
            f"`--config-file {stack.generated_config_file}` to `pulumi preview` and `pulumi up`."
        )
    for remark in remarks:
        warn(remark, sys.stderr)
    print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))
    return ExitCode.OK


def unset() -> ExitCode:
    """Print the command that removes all variables of ``env`` from a shell."""
    print(f"unset {' '.join(_NAMES)}")
    return ExitCode.OK


def _exposed(variables: Mapping[str, str], stack: str) -> str:
    secrets = [name for name in variables if name in (BACKEND_URL, PASSPHRASE, "AWS_SECRET_ACCESS_KEY")]
    if variables[BACKEND_URL].startswith("s3://"):
        secrets.remove(BACKEND_URL)
    return (
        f"Secrets are now in this shell's environment ({', '.join(secrets)}); every program that it starts can read "
        f'them. When you are done: eval "$(scripts/snu state env {stack} --unset)"'
    )


def _closed(stack: str, instance: str, foundation: str) -> str:
    return (
        f"The database instance {instance} accepts connections only from the networks in its settings; `snu` adds this "
        f"machine's address only during its own runs. For plain `pulumi`, add the address to allowedRanges of the "
        f"environment in Pulumi.{foundation or 'FOUNDATION'}.yaml, or use `scripts/snu preview {stack}`."
    )
