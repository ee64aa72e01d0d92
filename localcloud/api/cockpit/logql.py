"""The subset of LogQL for reading logs: a stream selector, then line filters.

``{resource_type="serverless_container", resource_id=~"a|b"} |= "text" !~ "expression"``. Everything else (parsers,
label filters, formats, metrics) is rejected with an error that names the feature.

Source: Grafana's Loki documentation, "Log queries".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<sign>\|=|\|~|\|>|!=|!~|!>|=~|=|\{|\}|,|\||.)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_NOT_RE2 = re.compile(r"(?<!\\)(?:\\\\)*(\(\?(?:[=!>(#]|<[=!])|\\[1-9])")
"""Python regular expression syntax that Loki does not support."""

_MATCHES = ("=", "!=", "=~", "!~")
_FILTERS = ("|=", "!=", "|~", "!~")


Condition = TypeVar("Condition", "Matcher", "LineFilter")


class LogQLError(Exception):
    """The query is invalid; the message states where and why."""


@dataclass(frozen=True)
class _Condition:
    operator: str
    value: str

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _compiled(self.value)

    def __post_init__(self) -> None:
        if self.operator.endswith("~"):
            _ = self._pattern


@dataclass(frozen=True)
class Matcher(_Condition):
    """A condition on a stream's label. A missing label counts as an empty string."""

    label: str

    def accepts(self, value: str) -> bool:
        if self.operator in ("=", "!="):
            return (value == self.value) == (self.operator == "=")
        return (self._pattern.fullmatch(value) is not None) == (self.operator == "=~")


@dataclass(frozen=True)
class LineFilter(_Condition):
    """A condition on a line's content."""

    def accepts(self, line: str) -> bool:
        if self.operator in ("|=", "!="):
            return (self.value in line) == (self.operator == "|=")
        return (self._pattern.search(line) is not None) == (self.operator == "|~")


@dataclass(frozen=True)
class LogQuery:
    matchers: tuple[Matcher, ...]
    filters: tuple[LineFilter, ...]

    def selects(self, labels: Mapping[str, str]) -> bool:
        return all(matcher.accepts(labels.get(matcher.label, "")) for matcher in self.matchers)

    def accepts(self, line: str) -> bool:
        return all(item.accepts(line) for item in self.filters)


def parse(text: str) -> LogQuery:
    """Raises LogQLError."""
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._currents = _tokens(text)
        self._advance()

    def query(self) -> LogQuery:
        if self._kind == "word":
            raise self._unsupported(f"metric queries ({self._current})")
        matchers = tuple(self._matchers())
        filters = tuple(self._filters())
        if all(matcher.accepts("") for matcher in matchers):
            raise LogQLError(
                "parse error : queries require at least one regexp or equality matcher that does not have an "
                'empty-compatible value. For instance, app=~".*" does not meet this requirement, but app=~".+" will'
            )
        return LogQuery(matchers, filters)

    def _matchers(self) -> Iterator[Matcher]:
        self._take("{")
        while self._current != "}":
            label = self._take("a label", "word")
            operator = self._take("one of = != =~ !~", among=_MATCHES)
            yield self._build(Matcher, operator, self._string(), label)
            if self._current != "}":
                self._take(",")
        self._take("}")

    def _filters(self) -> Iterator[LineFilter]:
        while self._kind:
            if self._current in ("|>", "!>"):
                raise self._unsupported(f"the pattern filter {self._current}")
            if self._current == "|":
                self._advance()
                raise self._unsupported(f"the stage | {self._current}")
            operator = self._take("a line filter (|= != |~ !~)", among=_FILTERS)
            value = self._string()
            if self._kind == "word":
                raise self._unsupported(f"{self._current} after a line filter")
            yield self._build(LineFilter, operator, value)

    def _build(self, kind: type[Condition], *values: str) -> Condition:
        try:
            return kind(*values)
        except re.error as error:
            raise LogQLError(f"parse error at {self._place()}: error parsing regexp: {error}") from error

    def _string(self) -> str:
        text = self._take("a string", "string")
        return text[1:-1] if text[0] == "`" else _ESCAPE.sub(self._unescaped, text[1:-1])

    def _unescaped(self, match: re.Match[str]) -> str:
        plain, *numbers, other = match.groups()
        if other is not None:
            raise LogQLError(
                f"parse error at {self._place()}: invalid char escape \\{other}: double the backslash, or quote "
                "the string with backticks"
            )
        return _PLAIN[plain] if plain else chr(int(next(filter(None, numbers)), 16))

    def _take(self, expected: str, kind: str = "sign", among: tuple[str, ...] = ()) -> str:
        """Consume and return a token of this kind. A sign must also be one of ``among`` (default: ``expected``)."""
        token = self._current
        if self._kind != kind or (kind == "sign" and token not in (among or (expected,))):
            raise LogQLError(
                f"parse error at {self._place()}: syntax error: unexpected {token or '$end'}, expecting {expected}"
            )
        self._advance()
        return token

    def _advance(self) -> None:
        self._kind, self._current, self._at = next(self._currents, ("", "", len(self._text)))

    def _place(self) -> str:
        before = self._text[: self._at]
        return f"line {before.count(chr(10)) + 1}, col {self._at - before.rfind(chr(10))}"

    def _unsupported(self, feature: str) -> LogQLError:
        return LogQLError(
            f"parse error at {self._place()}: the local Scaleway does not implement {feature}; it supports "
            "stream selectors and the line filters |= != |~ !~"
        )


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "space":
            yield match.lastgroup or "", match[0], match.start()


def _compiled(expression: str) -> re.Pattern[str]:
    """Raises ``re.error``."""
    if unknown := _NOT_RE2.search(expression):
        raise re.error(f"invalid or unsupported Perl syntax: `{unknown[1]}`")
    return re.compile(expression)
