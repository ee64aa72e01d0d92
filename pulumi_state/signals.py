"""Signals that ask a run to stop, sent by Ctrl-C, a cancelled CI job, ``docker stop`` or a closed terminal."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def handle_signals(on_first: Callable[[], object], on_second: Callable[[], object]) -> Iterator[None]:
    """Call ``on_first`` in the main thread on the first signal, and ``on_second`` on each subsequent Ctrl-C.

    Any further SIGTERM or SIGHUP is ignored, since a closing terminal sends several, and a CI system that cancels a job
    sends SIGTERM after SIGINT. Signals that are ignored on entry, for example under ``nohup``, remain ignored. Does
    nothing outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    begun = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal begun
        if number == signal.SIGHUP:
            _leave_terminal()
        if not begun:
            begun = True
            on_first()
        elif number == signal.SIGINT:
            on_second()

    before = {
        number: signal.signal(number, handle) for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_keyboard_interrupt() -> None:
    """Raise KeyboardInterrupt, as Python does on Ctrl-C."""
    raise KeyboardInterrupt


def _leave_terminal() -> None:
    """Redirect the standard streams of a closed terminal, where all reads and writes fail, to /dev/null."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        with suppress(OSError):  # the descriptor may be closed
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(null, descriptor)
    os.close(null)
