"""Text for Slack messages."""

from __future__ import annotations


def escaped(text: str) -> str:
    """The text with markup, mentions and links disabled, including inside code."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")
