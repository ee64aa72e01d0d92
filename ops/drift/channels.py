"""Channels that drift can be reported to."""

from __future__ import annotations

from enum import StrEnum


class ReportChannel(StrEnum):
    """A value of ``--report``."""

    GITHUB = "github"
    SLACK = "slack"
