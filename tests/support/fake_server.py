"""What fake servers of tests have in common."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Response

_POLL_SECONDS = 0.02

# A line for each request would hide what tests and benchmarks print.
logging.getLogger("werkzeug").setLevel(logging.ERROR)


class FakeServer(HTTPServer):
    """A server on a free port of the loopback interface, as long as its context lasts.

    Leaving the context fails for what its handlers raised, and for requests that it has no handler for.
    """

    def __init__(self) -> None:
        super().__init__("127.0.0.1", threaded=True)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and path of all that were answered."""
        return [(request.method, request.path) for request, _ in self.log]

    def thread_target(self) -> None:
        """The library's own polls twice a second, which each end of a server would wait for."""
        assert self.server is not None
        self.server.serve_forever(poll_interval=_POLL_SECONDS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if kind is None:
            self.check()


def json_response(status: int, document: Any = None, headers: Mapping[str, str] | None = None) -> Response:
    """Without a document there is no body."""
    body = b"" if document is None else json.dumps(document).encode()
    return Response(body, status, headers, content_type="application/json")
