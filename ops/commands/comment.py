"""``snu comment``: a plan, a preview or a diff as a comment on a pull request."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.pull_request import Target, read_token, write_comment


def comment(target: Target, stack: str, file: str) -> ExitCode:
    """Raises OpsError when the file, the token or GitHub do not play along."""
    written = write_comment(target, stack, _text(file), read_token(os.environ))
    print(f"Comment on {target} for {stack} {written.outcome}: {written.url}")
    if written.removed:
        print(f"Removed {written.removed} more of ours for {stack}.")
    return ExitCode.OK


def _text(file: str) -> str:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise OpsError(f"{file} cannot be read: {reason}.", ExitCode.USAGE) from None
    if not text.strip():
        raise OpsError(
            f"{file} is empty; expected Markdown, as `snu preview --markdown FILE` writes it.", ExitCode.USAGE
        )
    return text
