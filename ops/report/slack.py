"""Text as Slack's messages have it."""

from __future__ import annotations


def escaped(text: str) -> str:
    """Without markup, mentions and links, also inside of code."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")
