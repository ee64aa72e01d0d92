from __future__ import annotations

from tests.support.apps.workspace import workspace

__all__ = ["workspace"]
