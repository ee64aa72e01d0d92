"""``python -m ops``: the command ``snu``."""

from __future__ import annotations

import gc
import os
import sys

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.prestart import start_program
from ops.private_process import keep_private
from ops.process_environment import bypass_proxies
from ops.report.output import clean_standard_output
from pulumi_state.signals import handle_signals, raise_keyboard_interrupt

_GARBAGE_THRESHOLD = 100_000
"""So many new objects, and garbage is looked for."""
_TYPERS_INTERRUPTED = 130
"""What typer makes of a KeyboardInterrupt."""


def main() -> int:
    """Run the command; every way to end is an ``ExitCode``."""
    import typer
    from typer._click.exceptions import ClickException, NoArgsIsHelpError, UsageError  # typer has no public names

    from gitrepo import GitError
    from ops.cli import app
    from pulumi_state.store import StoreError

    try:
        status = int(app(prog_name="scripts/snu", standalone_mode=False) or ExitCode.OK)
        if status != _TYPERS_INTERRUPTED:
            return status
        raise KeyboardInterrupt
    except NoArgsIsHelpError as error:
        error.show()
        return ExitCode.USAGE
    except ClickException as error:
        help_of = error.ctx.command_path if isinstance(error, UsageError) and error.ctx else ""
        hint = f"Run `{help_of} --help` to see what is possible.\n" if help_of else ""
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
    except BrokenPipeError:
        # Whoever read our output has gone; keep Python from complaining about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED


def run() -> int:
    """Prepare the process, and run the command."""
    # What is imported lasts as long as the command: looking for garbage in it takes a tenth of a short one's time.
    gc.set_threshold(_GARBAGE_THRESHOLD)
    keep_private()
    clean_standard_output()
    bypass_proxies()
    with handle_signals(raise_keyboard_interrupt, raise_keyboard_interrupt):
        start_program(sys.argv[1:])
        status = main()
    gc.freeze()
    return status


if __name__ == "__main__":
    sys.exit(run())
