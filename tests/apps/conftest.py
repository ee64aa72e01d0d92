from __future__ import annotations

from tests.apps.workspace import workspace

__all__ = ["workspace"]
