"""Where a look for drift can be reported."""

from __future__ import annotations

from enum import StrEnum


class ReportChannel(StrEnum):
    """What ``--report`` may say."""

    GITHUB = "github"
    SLACK = "slack"
