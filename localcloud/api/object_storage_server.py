"""The child process of ``object_storage``: restores the state from the journal, then serves moto's S3.

It reads commands (``reset``) from standard input, one per line, and exits when standard input is closed. It writes
``ready`` to standard output once it can serve requests, and ``reset`` once the storage is empty.
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

from localcloud.api.browsers import rejection_reason
from localcloud.api.errors import origin
from localcloud.api.object_storage_journal import READ_METHODS, Entry, Journal, convert_recording

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_PORT_SECONDS = 5.0
"""How long to wait for the port: an earlier child whose parent was killed may still be exiting."""
_PORT_POLL_SECONDS = 0.05
_moto_s3: Any = importlib.import_module("moto.s3.models")


class ObjectStorageApp:
    """Moto's S3, without moto's other services. Rejects requests from web pages.

    Handles one request at a time, because moto checks a condition and writes in two steps, whereas S3 does both
    atomically.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._s3 = create_backend_app("s3")
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._respond(environ)(environ, start_response)

    def _respond(self, environ: WSGIEnvironment) -> Response:
        rejection = rejection_reason(*(environ.get(f"HTTP_{name}") for name in ("HOST", "ORIGIN", "SEC_FETCH_SITE")))
        if rejection is not None:
            return _error(403, "AccessDenied", rejection)
        is_read = environ["REQUEST_METHOD"] in READ_METHODS
        if environ["PATH_INFO"] == "/" and not is_read:  # a request for another service; moto would list the buckets
            return _error(405, "MethodNotAllowed", "object storage implements only S3 and GET /")
        entry = Entry.of(environ, get_input_stream(environ).read())
        with self._lock:
            if is_read:
                return self._apply(entry)
            try:
                before = self._journal.append(entry)
            except OSError as error:
                return _error(503, "ServiceUnavailable", f"the local Scaleway cannot write its state: {error.strerror}")
            response = self._apply(entry)
            if response.status_code >= 400:
                self._journal.truncate(before)
            return response

    def replay(self) -> None:
        for entry in self._journal.entries():
            self._apply(entry)

    def reset(self) -> None:
        with self._lock:
            self._journal.truncate(0)
            for account in _moto_s3.s3_backends.values():
                account.reset()

    def _apply(self, entry: Entry) -> Response:
        """Pass a request to moto. Times and ids come from the entry, so they are the same after a replay."""
        mock_random.seed(entry.seed)
        _moto_s3.os = SimpleNamespace(urandom=mock_random.randbytes)  # ids of multipart uploads
        _moto_s3.utcnow = lambda: datetime.fromtimestamp(entry.time, UTC).replace(tzinfo=None)
        body = io.BytesIO(base64.b64decode(entry.body))
        environ = {**entry.environ, "wsgi.input": body, "wsgi.errors": sys.stderr}
        try:
            return Response.from_app(self._s3, environ, buffered=True)
        except Exception as error:
            return _error(501, "NotImplemented", f"moto failed on this request: {origin(error)}")


def _error(status: int, code: str, message: str) -> Response:
    """An error response in S3's format."""
    text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}', status, mimetype="application/xml")


def main() -> None:
    port, recording, path = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # Bind first: only the process that owns the port may write the journal.
    with _bound(port) as listener:
        server = make_server(
            "127.0.0.1", port, lambda environ, start: app(environ, start), threaded=True, fd=listener.fileno()
        )
    convert_recording(recording, path)
    app = ObjectStorageApp(Journal(path))
    threading.Thread(target=_read_commands, args=[app], daemon=True).start()
    app.replay()
    _write("ready")
    server.serve_forever()


def _bound(port: int) -> socket.socket:
    """A socket bound to the port. Exits if another program keeps using it."""
    deadline = time.monotonic() + _PORT_SECONDS
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                sys.exit(f"object storage cannot listen on port {port}: {error.strerror}")
        time.sleep(_PORT_POLL_SECONDS)


def _read_commands(app: ObjectStorageApp) -> None:
    for command in sys.stdin.buffer:
        if command == b"reset\n":
            app.reset()
            _write("reset")
    os._exit(0)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
