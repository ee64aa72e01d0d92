"""A stand-in for Slack's incoming webhooks: on loopback, keeps what is posted, answers as it is told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class Slack:
    """Listens as long as the context lasts."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        """Those that it has taken."""
        self.refused = 0
        self.status = 200
        """What it answers."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = outer.status
                if status == 200:
                    outer.messages.append(message)
                else:
                    outer.refused += 1
                answer = b"ok" if status == 200 else b"no"
                self.send_response(status)
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def webhook(self) -> str:
        """Its address, whose path is as secret as a real one's."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/services/FAKE0/HOOK/hush-hush-hush"

    @property
    def texts(self) -> list[str]:
        """All that each message says, as one text."""
        return [json.dumps(message, ensure_ascii=False) for message in self.messages]

    def __enter__(self) -> Slack:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
