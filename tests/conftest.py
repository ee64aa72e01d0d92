"""Fixtures that several kinds of tests share."""

from tests.support.project import project

__all__ = ["project"]
