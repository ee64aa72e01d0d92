"""The child process of ``object_storage``: replays the recording, then serves. Ends when its standard input closes."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable
from typing import Any

from moto.moto_api import recorder
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


def main() -> None:
    port = int(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    app = _OneAtATime(DomainDispatcherApplication(create_backend_app))
    _replay(app)
    recorder.start_recording()
    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


class _OneAtATime:
    """Answers one request after the other: moto looks at a condition and writes in two steps, S3 in one."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        with self._lock:
            return list(self._app(environ, start_response))


def _replay(app: _OneAtATime) -> None:
    """Serve on a private port while the recorded requests run, so that no client sees a state half restored."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    recorder.replay_recording(target_host=f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
