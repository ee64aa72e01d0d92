"""Reads ``Pulumi.yaml`` and ``Pulumi.<stack>.yaml``: values and their positions, in a single dialect of YAML.

The Pulumi CLI reads these files with go-yaml v3, which does not follow either YAML version exactly. Python reads YAML
1.1; most editors and linters read YAML 1.2. Only text that all these tools interpret alike is accepted. Everything else
is a ``YamlProblem`` that suggests the unambiguous quoted form. Anchors, tags, merge keys and directives are also
problems, since no setting needs them.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pulumi_state.errors import PulumiError

KeyPath = tuple[str | int, ...]
"""The keys and indexes leading to a value: ``("config", "snu:apps", "api", "cpu")``."""

_MOST_BYTES = 1024 * 1024
_MOST_LEVELS = 32
_SHOWN_PROBLEMS = 20
_EXACT = 2**53
"""Integers beyond this limit lose precision, because the CLI passes numbers as floating-point JSON."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "a byte order mark"),
    (codecs.BOM_UTF16_LE, "utf-16", "text in UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "text in UTF-16"),
)
_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNUSUAL_BREAK = re.compile("[\x85\u2028\u2029]|\r(?!\n)")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_OTHER_WORDS = {
    **{
        case: "which some YAML readers treat as a boolean"
        for word in ("y", "n", "yes", "no", "on", "off")
        for case in (word, word.upper(), word.capitalize())
    },
    **dict.fromkeys(("=", "<<"), "which some YAML readers treat as a special value"),
}
_STARTS_A_NUMBER = frozenset("+-.0123456789")
_INTEGER = re.compile(r"-?[1-9][0-9]*|0")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_NUMBER = re.compile(
    r"[-+]?(?:0b[01]+|0o[0-7]+|0x[0-9a-f]+|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:e[-+]?[0-9]+)?)|[-+]?\.(?:inf|nan)",
    re.IGNORECASE,
)
_NUMBER_WITHOUT_DIGITS = re.compile(r"[-+]?(?:0[ox]|\.)?_+(?:e[-+]?[0-9]+)?", re.IGNORECASE)
_BASE_60 = re.compile(r"[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9].*)?")
_NAMES_A_SECRET = re.compile(r"password|secret|token|webhook", re.IGNORECASE)


class Position(NamedTuple):
    """A position in a file, with lines and columns counted from 1."""

    line: int
    column: int


class ValuePosition(NamedTuple):
    """The positions of a value and its key; list items have no key."""

    key: Position | None
    value: Position


@dataclass(frozen=True)
class YamlProblem:
    """A part of a file that is invalid or that YAML readers interpret differently."""

    position: Position | None
    """The problem's position, or None if it concerns the whole file."""
    path: KeyPath
    found: str
    remedy: str


class YamlError(PulumiError):
    """A file is invalid."""

    def __init__(self, name: str, problems: Sequence[YamlProblem]) -> None:
        """List the problems in the file ``name``, up to a maximum number."""
        self.problems = problems[:_SHOWN_PROBLEMS]
        lines = [f"{_where(name, problem)}: found {problem.found}; {problem.remedy}" for problem in self.problems]
        if len(problems) > _SHOWN_PROBLEMS:
            lines.append(f"{name}: {len(problems) - _SHOWN_PROBLEMS} more")
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Document:
    """The content of a file as a mapping."""

    name: str
    """The file's name in messages."""
    values: dict[str, Any] = field(default_factory=dict)
    """Strings, booleans, numbers and None, in mappings and lists. A value with a problem is a string, as written."""
    positions: Mapping[KeyPath, ValuePosition] = field(default_factory=dict)
    problems: Sequence[YamlProblem] = ()

    def checked(self) -> Document:
        """Return the document if it is valid. Raises YamlError otherwise."""
        if self.problems:
            raise YamlError(self.name, self.problems)
        return self


def read(path: Path) -> Document:
    """Read a file and collect its problems. Raises PulumiError if it cannot be read and YamlError if it is not YAML."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise PulumiError(f"{path} does not exist") from error
    except OSError as error:
        raise PulumiError(f"{path} cannot be read: {error.strerror}") from error
    return parse(content, path.name)


def parse(content: bytes | str, name: str) -> Document:
    """Parse a document and collect its problems; ``name`` is used in messages. Raises YamlError if it is not YAML."""
    if len(content) > _MOST_BYTES:
        problem = YamlProblem(None, (), f"more than {_MOST_BYTES // 1024} KiB", "shorten the file")
        raise YamlError(name, [problem])
    builder = _Builder(name)
    text = content if isinstance(content, str) else builder.decode(content)
    return builder.build(text)


def reads_as_written(text: str) -> bool:
    """Return whether every YAML reader interprets the unquoted text as this string."""
    value, problem = _resolve(text)
    return value == text and problem is None


def key_text(path: KeyPath) -> str:
    """Return a path for messages without the leading ``config``: ``snu:apps.api.secretVariables[0]``."""
    shown = path[1:] if len(path) > 1 and path[0] == "config" else path
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in shown).removeprefix(".")


def _where(name: str, problem: YamlProblem) -> str:
    place = name if problem.position is None else f"{name}:{problem.position.line}"
    return f"{place}: {key_text(problem.path)}" if problem.path else place


class _Collection:
    """A mapping or list that is being read."""

    def __init__(self, path: KeyPath, values: dict[str, Any] | list[Any]) -> None:
        self.path = path
        self.values = values
        self.key: tuple[str, Position] | None = None
        """In a mapping, the key of the next value."""

    @property
    def wants_key(self) -> bool:
        return isinstance(self.values, dict) and self.key is None


class _Builder:
    """Builds values from parser events without recursion, which keeps deep nesting from exhausting the stack."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._problems: list[YamlProblem] = []
        self._positions: dict[KeyPath, ValuePosition] = {}
        self._open: list[_Collection] = []
        self._root: Any = None

    def decode(self, content: bytes) -> str:
        """Decode a file's content. Raises YamlError if it is neither UTF-8 nor UTF-16."""
        encoding = "utf-8"
        for mark, marked, description in _MARKS:
            if content.startswith(mark):
                encoding = marked
                self._problems.append(
                    YamlProblem(Position(1, 1), (), description, "save the file as UTF-8 without a byte order mark")
                )
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            problem = YamlProblem(
                Position(line, 1), (), f"the byte 0x{content[error.start]:02x}", "save the file as UTF-8"
            )
            raise YamlError(self._name, [problem]) from None

    def build(self, text: str) -> Document:
        """Build the document. Raises YamlError if the text is not YAML or is nested too deeply."""
        import yaml

        self._check_characters(text)
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, if PyYAML was built with libyaml
        documents = 0
        try:
            for event in yaml.parse(text, Loader=loader):
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self._problem(event, "a second document", "keep one document per file", path=())
                        break
                    if event.version or event.tags:
                        self._problem(event, "a directive", "remove the line that starts with `%`", path=())
                elif isinstance(event, yaml.NodeEvent):
                    self._node(event)
                elif isinstance(event, yaml.CollectionEndEvent):
                    self._open.pop()
        except yaml.YAMLError as error:
            raise self._refused(_syntax_problem(error, text)) from None
        if self._root is None:
            self._root = {}
        if not isinstance(self._root, dict):
            self._problems.append(
                YamlProblem(Position(1, 1), (), _kind(self._root), "write a mapping, as `key: value` lines")
            )
            self._root = {}
        return Document(self._name, self._root, self._positions, self._problems)

    def _check_characters(self, text: str) -> None:
        if unprintable := _NOT_PRINTABLE.search(text):
            found = f"the control character U+{ord(unprintable[0]):04X}"
            position = _position_of(text, unprintable.start())
            raise self._refused(YamlProblem(position, (), found, "remove it, or escape it in double quotes"))
        for character in _UNUSUAL_BREAK.finditer(text):
            found = f"the character U+{ord(character[0]):04X}, which some YAML readers treat as a line break"
            position = _position_of(text, character.start())
            self._problems.append(YamlProblem(position, (), found, "escape it in double quotes"))

    def _node(self, event: Any) -> None:
        import yaml

        parent = self._open[-1] if self._open else None
        if parent is not None and parent.wants_key:
            self._key(parent, event)
            return
        path = self._path(parent)
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, path)
        elif isinstance(event, yaml.AliasEvent):
            value = f"*{event.anchor}"
            self._problem(event, f"the alias `{value}`", "replace it with its value", path)
        else:
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
        if not isinstance(event, yaml.AliasEvent):
            self._check_properties(event, path)
        self._put(parent, event, path, value)
        if isinstance(value, dict | list):
            if len(self._open) == _MOST_LEVELS:
                found = f"more than {_MOST_LEVELS} levels of nesting"
                raise self._refused(YamlProblem(_start(event), (), found, "no setting is nested that deeply"))
            self._open.append(_Collection(path, value))

    def _put(self, parent: _Collection | None, event: Any, path: KeyPath, value: Any) -> None:
        key = None
        if parent is None:
            self._root = value
        elif isinstance(parent.values, list):
            parent.values.append(value)
        elif parent.key is not None:
            name, key = parent.key
            parent.key = None
            parent.values.setdefault(name, value)
        self._positions.setdefault(path, ValuePosition(key, _start(event)))

    @staticmethod
    def _path(parent: _Collection | None) -> KeyPath:
        if parent is None:
            return ()
        if isinstance(parent.values, list):
            return (*parent.path, len(parent.values))
        return (*parent.path, parent.key[0]) if parent.key is not None else parent.path

    def _key(self, parent: _Collection, event: Any) -> None:
        import yaml

        if not isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            raise self._refused(
                YamlProblem(_start(event), parent.path, "a mapping or list as a key", "use a string on one line")
            )
        name = event.value if isinstance(event, yaml.ScalarEvent) else f"*{event.anchor}"
        path = (*parent.path, name)
        if "\n" in name:
            self._problem(event, "a multi-line key", "write it on one line", parent.path)
        if isinstance(event, yaml.AliasEvent):
            self._problem(event, f"the alias `{name}` as a key", "replace it with the key", path)
        elif event.implicit[0] and name == "<<":
            self._problem(event, "the merge key `<<`", "replace it with the merged keys", path)
        elif event.implicit[0] and not reads_as_written(name):
            found = f"the unquoted key `{name}`, which some YAML readers do not treat as a string"
            self._problem(event, found, _quoted(name), path)
        if isinstance(event, yaml.ScalarEvent):
            self._check_properties(event, path)
        if name in parent.values:
            earlier = self._positions[path].key
            first = f", first on line {earlier.line}" if earlier else ""
            self._problem(event, f"the duplicate key `{name}`{first}", "keep one of them", path)
        parent.key = (name, _start(event))

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        if "\n" in event.value and (event.value[0] in "\n\t" or _UNUSUAL_BREAK.search(event.value)):
            # The CLI writes the string as a block scalar and then reads it differently.
            found = "a multi-line string that starts with a line break or tab, or has an unusual line break"
            self._problem(event, found, "remove that character, which the Pulumi CLI does not preserve", path)
        if not event.implicit[0]:
            return event.value
        value, reading = _resolve(event.value)
        if reading is None:
            return value
        if any(_NAMES_A_SECRET.search(part) for part in path if isinstance(part, str)):
            self._problem(event, f"a value without quotes, {reading}", "put it in double quotes", path)
        else:
            self._problem(event, f"`{event.value}` without quotes, {reading}", _quoted(event.value), path)
        return event.value

    def _check_properties(self, event: Any, path: KeyPath) -> None:
        if event.anchor:
            self._problem(event, f"the anchor `&{event.anchor}`", "repeat the value wherever it is needed", path)
        if event.tag:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._problem(event, f"the tag `{tag}`", "remove it; quote a value to make it a string", path)

    def _problem(self, event: Any, found: str, remedy: str, path: KeyPath) -> None:
        self._problems.append(YamlProblem(_start(event), path, found, remedy))

    def _refused(self, problem: YamlProblem) -> YamlError:
        return YamlError(self._name, [*self._problems, problem])


def _resolve(text: str) -> tuple[Any, str | None]:
    """Return an unquoted scalar's value or, if readers disagree, the string itself and how some readers treat it."""
    if "\t" in text:
        return text, "which some YAML readers reject because of its tab"
    if text in _WORDS:
        return _WORDS[text], None
    if text[0] not in _STARTS_A_NUMBER:
        return text, _OTHER_WORDS.get(text)
    if _INTEGER.fullmatch(text) and abs(int(text[:20])) <= _EXACT:
        return int(text), None
    if _FLOAT.fullmatch(text) and repr(float(text)) == text and not text.endswith(".0"):
        return float(text), None
    digits = text.replace("_", "")
    if _NUMBER.fullmatch(digits):
        return text, "a number that not all YAML readers preserve"
    if _NUMBER_WITHOUT_DIGITS.fullmatch(text):
        return text, "which some YAML readers reject as a number without digits"
    if _BASE_60.fullmatch(digits):
        return text, "which some YAML readers treat as a base-60 number"
    if _DATE.fullmatch(text):
        return text, "which some YAML readers treat as a date"
    return text, None


def _quoted(text: str) -> str:
    return f"write {json.dumps(text, ensure_ascii=False)}"


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else f"`{value}`"


def _start(event: Any) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)


def _position_of(text: str, index: int) -> Position:
    return Position(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _syntax_problem(error: Any, text: str) -> YamlProblem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return YamlProblem(None, (), f"invalid YAML ({' '.join(str(error).split())})", "fix it")
    position = Position(mark.line + 1, mark.column + 1)
    line = text.splitlines()[mark.line : mark.line + 1]
    if line and line[0][mark.column : mark.column + 1] == "\t":
        return YamlProblem(position, (), "a tab", "indent with spaces")
    message = ", ".join(part for part in (error.context, error.problem) if part)
    return YamlProblem(position, (), f"invalid YAML ({message})", f"fix it near column {position.column}")
