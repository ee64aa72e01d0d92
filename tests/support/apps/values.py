"""Values of variables that pages have broken on, and environments made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

NASTY = {
    "quotes": """it's "quoted" and `ticked`""",
    "end of script": "</script><script>globalThis.broken = true</script>",
    "comment": "<!-- <script> -->",
    "template": "${globalThis.broken = true}",
    "replacement": "$& $1 $$ $' $`",
    "backslashes": r"C:\new\u0041\\",
    "entities": "&lt;&amp;&#39;",
    "letters": "Élève à Nîmes, œuvre, 日本語, 🇫🇷",
    "separators": "one\u2028two\u2029three",
    "lines": "one\ntwo\r\nthree\ttab",
    "long": "0123456789" * 100,
    "empty": "",
    "prototype": "__proto__",
}
"""By what is nasty about them."""


def environment_of(names: Iterable[str], **values: str) -> dict[str, str]:
    """A value for each name: the given ones, and plain ones for the rest."""
    plain = {name: f"plain-{name.lower()}" for name in names}
    return {**plain, "VITE_API_URL": "http://127.0.0.1:9", **values}


def nasty_environments(names: Iterable[str]) -> Iterator[dict[str, str]]:
    """As few environments as hold every nasty value; the api's address stays one."""
    free = [name for name in names if name != "VITE_API_URL"]
    values = list(NASTY.values())
    for start in range(0, len(values), len(free)):
        yield environment_of(free, **dict(zip(free, values[start : start + len(free)], strict=False)))
