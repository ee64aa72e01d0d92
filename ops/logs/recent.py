"""The last lines of a container, for error messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ops.logs.access import logs_access
from ops.logs.lines import LogLine
from ops.logs.loki import SECOND, LogQuery, Loki
from ops.logs.pages import PageReader

if TYPE_CHECKING:
    from infra.settings import EnvironmentSettings
    from ops.stacks import Stack

_SPAN = 3_600 * SECOND


def recent_messages(
    stack: Stack, settings: EnvironmentSettings, environ: Mapping[str, str], container_id: str, count: int
) -> list[str]:
    """A container's last messages within the last hour, oldest first. Raises OpsError."""
    query = LogQuery.of("serverless_container", (container_id,))
    with Loki(logs_access(stack, settings, environ)) as loki:
        now = loki.now()
        entries = PageReader(loki).last(query, now - _SPAN, now + SECOND, count)
    return [LogLine.of(entry).message for entry in entries]
