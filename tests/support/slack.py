"""A stand-in for Slack's incoming webhooks, which keeps what is posted."""

from __future__ import annotations

import json
from typing import Any

from werkzeug import Request, Response

from tests.support.fake_server import FakeServer

_HOOK = "/services/FAKE0/HOOK/hush-hush-hush"
"""As secret as a real one's path."""


class Slack(FakeServer):
    """Takes messages, or refuses them with another ``status``."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []
        """Those that were taken."""
        self.refused = 0
        self.status = 200
        self.retry_after = 0
        """Seconds in the `Retry-After` of a refusal."""
        self.expect_request(_HOOK, method="POST").respond_with_handler(self._take)

    @property
    def webhook(self) -> str:
        return f"{self.url}{_HOOK}"

    @property
    def texts(self) -> list[str]:
        """Each message with all of its parts, as one string."""
        return [json.dumps(message, ensure_ascii=False) for message in self.messages]

    def _take(self, request: Request) -> Response:
        if self.status == 200:
            self.messages.append(request.get_json())
            return Response("ok")
        self.refused += 1
        return Response("no", self.status, {"Retry-After": str(self.retry_after)})
