"""The child process of ``object_storage``: restores the state from the journal, then serves moto's S3.

What its parent says comes over standard input, a word a line: ``reset``. When that closes, the child ends. What it
answers goes to standard output: ``ready`` once it serves, ``reset`` once it is empty.
"""

from __future__ import annotations

import base64
import errno
import importlib
import io
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_input_stream

from localcloud.api.browsers import refusal
from localcloud.api.errors import origin
from localcloud.api.object_storage_journal import READING, Entry, Journal, convert_recording

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_PORT_SECONDS = 5.0
"""An earlier child, whose parent was killed, may need a moment to end."""
_PORT_POLL_SECONDS = 0.05
_moto_s3: Any = importlib.import_module("moto.s3.models")


class ObjectStorageApp:
    """Moto's S3 and none of its other services, for programs and not for web pages.

    Answers one request after the other: moto looks at a condition and writes in two steps, S3 in one.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._s3 = create_backend_app("s3")
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._respond(environ)(environ, start_response)

    def _respond(self, environ: WSGIEnvironment) -> Response:
        refused = refusal(*(environ.get(f"HTTP_{name}") for name in ("HOST", "ORIGIN", "SEC_FETCH_SITE")))
        if refused is not None:
            return _error(403, "AccessDenied", refused)
        reads = environ["REQUEST_METHOD"] in READING
        if environ["PATH_INFO"] == "/" and not reads:  # as other services are asked; moto would list the buckets
            return _error(405, "MethodNotAllowed", "object storage answers S3's requests only, and GET at /")
        entry = Entry.of(environ, get_input_stream(environ).read())
        with self._lock:
            if reads:
                return self._apply(entry)
            try:
                before = self._journal.append(entry)
            except OSError as error:
                return _error(503, "ServiceUnavailable", f"the local Scaleway cannot write its state: {error.strerror}")
            response = self._apply(entry)
            if response.status_code >= 400:
                self._journal.cut(before)
            return response

    def replay(self) -> None:
        for entry in self._journal.entries():
            self._apply(entry)

    def reset(self) -> None:
        with self._lock:
            self._journal.cut(0)
            for account in _moto_s3.s3_backends.values():
                account.reset()

    def _apply(self, entry: Entry) -> Response:
        """Let moto answer. Times and ids come from the entry, so that they are the same after a restart."""
        mock_random.seed(entry.seed)
        _moto_s3.os = SimpleNamespace(urandom=mock_random.randbytes)  # ids of multipart uploads
        _moto_s3.utcnow = lambda: datetime.fromtimestamp(entry.time, UTC).replace(tzinfo=None)
        body = io.BytesIO(base64.b64decode(entry.body))
        environ = {**entry.environ, "wsgi.input": body, "wsgi.errors": sys.stderr}
        try:
            return Response.from_app(self._s3, environ, buffered=True)
        except Exception as error:
            return _error(501, "NotImplemented", f"moto fails at this request: {origin(error)}")


def _error(status: int, code: str, message: str) -> Response:
    """An error as S3 words it."""
    text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}', status, mimetype="application/xml")


def main() -> None:
    port, recording, path = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # The port first: who has it is the only one that writes the journal.
    with _bound(port) as listener:
        server = make_server(
            "127.0.0.1", port, lambda environ, start: app(environ, start), threaded=True, fd=listener.fileno()
        )
    convert_recording(recording, path)
    app = ObjectStorageApp(Journal(path))
    threading.Thread(target=_obey_parent, args=[app], daemon=True).start()
    app.replay()
    _say("ready")
    server.serve_forever()


def _bound(port: int) -> socket.socket:
    """A socket that has the port. Ends the process when another program keeps it."""
    deadline = time.monotonic() + _PORT_SECONDS
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                sys.exit(f"object storage cannot listen on port {port}: {error.strerror}")
        time.sleep(_PORT_POLL_SECONDS)


def _obey_parent(app: ObjectStorageApp) -> None:
    for word in sys.stdin.buffer:
        if word == b"reset\n":
            app.reset()
            _say("reset")
    os._exit(0)


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
