"""The program that takes the interpreter's place; `forks` appends the call of `main`.

It imports only what is built in: to start it is what each forked process costs.
"""

import _signal  # type: ignore[import-not-found]  # the stubs lack it
import _socket
import marshal
import posix
import sys

_FORWARDED = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGUSR1)
_INTERPRETER_OPTIONS = ("-P", "-u")
_NO_ANSWER = 70


def main(python: str, folder: str, targets: dict[str, str], kept: dict[bytes, bytes]) -> None:
    """Have the process forked and be its stand-in; run what no server knows by the real interpreter.

    ``kept`` are variables that it gets even where its parent left them out of its environment.
    """
    arguments = sys.argv[1:]
    while arguments and arguments[0] in _INTERPRETER_OPTIONS:
        del arguments[0]
    what = arguments[1] if arguments[:1] == ["-m"] and len(arguments) > 1 else "".join(arguments[:1])
    server = targets.get(what.rpartition("/")[2])
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        if server is None:
            raise OSError
        connection.connect(f"{folder}/{server}")
    except OSError:
        posix.execve(python, [python, *sys.argv[1:]], {**posix.environ, **kept})
    leads_session = posix.getsid(0) == posix.getpid()
    request = marshal.dumps((arguments, posix.getcwd(), dict(posix.environ), posix.umask(0o077), leads_session))
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    connection.sendmsg([len(request).to_bytes(8, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    connection.sendall(request)
    for number in (0, 1):
        posix.close(number)  # whoever reads the pipe is to see its end when the forked process ends
    process = int.from_bytes(connection.recv(8), "big", signed=True)
    for number in _FORWARDED:
        _signal.signal(number, lambda number, _frame: _forward(process, number))
    answer = connection.recv(8)
    status = int.from_bytes(answer, "big", signed=True) if answer else _NO_ANSWER
    if status < 0:
        if -status not in (_signal.SIGKILL, _signal.SIGSTOP):
            _signal.signal(-status, _signal.SIG_DFL)
        posix.kill(posix.getpid(), -status)
    posix._exit(status)


def _forward(process: int, number: int) -> None:
    try:  # noqa: SIM105 - contextlib would have to be imported
        posix.kill(process, number)
    except ProcessLookupError:
        pass
