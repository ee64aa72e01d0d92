"""``python -m ops``: the ``snu`` command."""

from __future__ import annotations

import gc
import os
import signal
import sys

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.prestart import start_program
from ops.private_process import keep_private
from ops.process_environment import bypass_proxies
from ops.report.output import OutputError, clean_standard_output
from pulumi_state.signals import handle_signals, raise_keyboard_interrupt

_GARBAGE_THRESHOLD = 100_000
"""Number of new objects that triggers a garbage collection."""
_TYPERS_INTERRUPTED = 130
"""Exit code that Typer returns for a KeyboardInterrupt."""


def main() -> int:
    """Run the command and return its ``ExitCode``."""
    try:
        status = _main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has ended
        _discard_output()
        return ExitCode.FAILED
    except OutputError as error:
        _discard_output()
        sys.stderr.write(f"error: The output could not be written: {error.strerror}\n")
        return ExitCode.FAILED
    return status


def _discard_output() -> None:
    """Keep Python from writing the rest of the output at exit, and from reporting the error again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _main() -> int:
    import typer
    from typer._click.exceptions import ClickException, NoArgsIsHelpError, UsageError  # typer has no public names

    from gitrepo import GitError
    from ops.cli import app
    from pulumi_state.store import StoreError

    try:
        status = int(app(prog_name="snu", standalone_mode=False) or ExitCode.OK)
        if status != _TYPERS_INTERRUPTED:
            return status
        raise KeyboardInterrupt
    except NoArgsIsHelpError as error:
        error.show()
        return ExitCode.USAGE
    except ClickException as error:
        command = error.ctx.command_path if isinstance(error, UsageError) and error.ctx else ""
        hint = f"For options and examples, run: scripts/{command} --help\n" if command else ""
        sys.stderr.write(f"error: {error.format_message()}\n{hint}")
        return ExitCode.USAGE
    except OpsError as error:
        sys.stdout.flush()
        sys.stderr.write(f"error: {error}\n")
        return error.code
    except (StoreError, GitError) as error:
        sys.stdout.flush()
        sys.stderr.write(f"error: {error}\n")
        return ExitCode.FAILED
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("Interrupted.\n")
        return ExitCode.CANCELLED


def run() -> int:
    """Prepare the process and run the command."""
    # Imported objects live as long as the command: collecting garbage takes a tenth of a short command's time.
    gc.set_threshold(_GARBAGE_THRESHOLD)
    keep_private()
    clean_standard_output()
    bypass_proxies()
    with handle_signals(raise_keyboard_interrupt, raise_keyboard_interrupt):
        start_program(sys.argv[1:])
        status = main()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the process while its threads finish
    gc.freeze()
    return status


if __name__ == "__main__":
    sys.exit(run())
