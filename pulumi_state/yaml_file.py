"""Reads ``Pulumi.yaml`` and ``Pulumi.<stack>.yaml``: values with their positions, in one dialect of YAML.

The Pulumi CLI reads these files with go-yaml v3, which follows neither version of YAML to the letter; Python reads
YAML 1.1, most editors and linters YAML 1.2. What all of them read alike is accepted. The rest is a ``YamlProblem``, with the
quoted form that keeps what is written. Anchors, tags, merge keys and directives are flaws too: no setting needs them.
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
"""Keys and indexes that lead to a value: ``("config", "snu:apps", "api", "cpu")``."""

_MOST_BYTES = 1024 * 1024
_MOST_LEVELS = 32
_SHOWN_FLAWS = 20
_EXACT = 2**53
"""Up to here every whole number is exact in the floating point of JSON, which the CLI passes values through."""

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
        case: "a boolean to some YAML readers"
        for word in ("y", "n", "yes", "no", "on", "off")
        for case in (word, word.upper(), word.capitalize())
    },
    **dict.fromkeys(("=", "<<"), "a special value to some YAML readers"),
}
_STARTS_A_NUMBER = frozenset("+-.0123456789")
_INTEGER = re.compile(r"-?[1-9][0-9]*|0")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_NUMBER = re.compile(
    r"[-+]?(?:0b[01]+|0o[0-7]+|0x[0-9a-f]+|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:e[-+]?[0-9]+)?)|[-+]?\.(?:inf|nan)",
    re.IGNORECASE,
)
_BASE_60 = re.compile(r"[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9].*)?")
_NAMES_A_SECRET = re.compile(r"password|secret|token|webhook", re.IGNORECASE)


class Position(NamedTuple):
    """A place in a file; both count from 1."""

    line: int
    column: int


class ValuePosition(NamedTuple):
    """The positions of a value and of its key; an item of a list has no key."""

    key: Position | None
    value: Position


@dataclass(frozen=True)
class YamlProblem:
    """Something in a file that is not valid, or that not every reader of YAML reads alike."""

    position: Position | None
    """None where it is about the whole file."""
    path: KeyPath
    found: str
    remedy: str


class YamlError(PulumiError):
    """A file is refused."""

    def __init__(self, name: str, flaws: Sequence[YamlProblem]) -> None:
        self.flaws = flaws[:_SHOWN_FLAWS]
        lines = [f"{_where(name, flaw)}: found {flaw.found}; {flaw.remedy}" for flaw in self.flaws]
        if len(flaws) > _SHOWN_FLAWS:
            lines.append(f"{name}: {len(flaws) - _SHOWN_FLAWS} more like these")
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Document:
    """The mapping in a file."""

    name: str
    """What the file is called in messages."""
    values: dict[str, Any] = field(default_factory=dict)
    """Strings, booleans, numbers and None, in mappings and lists. A flawed value is the string that is written."""
    places: Mapping[KeyPath, ValuePosition] = field(default_factory=dict)
    flaws: Sequence[YamlProblem] = ()

    def checked(self) -> Document:
        """Raises YamlError where the document has flaws."""
        if self.flaws:
            raise YamlError(self.name, self.flaws)
        return self


def read(path: Path) -> Document:
    """Reads a file with its flaws. Raises PulumiError where it cannot be read, YamlError where it has no values."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise PulumiError(f"{path} does not exist") from error
    except OSError as error:
        raise PulumiError(f"{path} cannot be read: {error.strerror}") from error
    return parse(content, path.name)


def parse(content: bytes | str, name: str) -> Document:
    """Reads a document with its flaws; ``name`` is for messages. Raises YamlError where it has no values."""
    if len(content) > _MOST_BYTES:
        flaw = YamlProblem(None, (), f"more than {_MOST_BYTES // 1024} KiB", "a stack's file is smaller")
        raise YamlError(name, [flaw])
    builder = _Builder(name)
    text = content if isinstance(content, str) else builder.decode(content)
    return builder.build(text)


def reads_as_written(text: str) -> bool:
    """Whether a string needs no quotes in a file to stay that string for every reader."""
    value, flaw = _resolve(text)
    return value == text and flaw is None


def key_text(path: KeyPath) -> str:
    """A path as messages name it: ``snu:apps.api.secretVariables[0]``, without the leading ``config``."""
    shown = path[1:] if len(path) > 1 and path[0] == "config" else path
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in shown).removeprefix(".")


def _where(name: str, flaw: YamlProblem) -> str:
    place = name if flaw.position is None else f"{name}:{flaw.position.line}"
    return f"{place}: {key_text(flaw.path)}" if flaw.path else place


class _Collection:
    """A mapping or list whose end has not been read yet."""

    def __init__(self, path: KeyPath, values: dict[str, Any] | list[Any]) -> None:
        self.path = path
        self.values = values
        self.key: tuple[str, Position] | None = None
        """Of a mapping, the key whose value comes next."""

    @property
    def wants_key(self) -> bool:
        return isinstance(self.values, dict) and self.key is None


class _Builder:
    """Makes values of the parser's events: no recursion, so that no nesting is too deep for it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._flaws: list[YamlProblem] = []
        self._places: dict[KeyPath, ValuePosition] = {}
        self._open: list[_Collection] = []
        self._root: Any = None

    def decode(self, content: bytes) -> str:
        """Raises YamlError where no encoding is known that it could be in."""
        encoding = "utf-8"
        for mark, marked, called in _MARKS:
            if content.startswith(mark):
                encoding = marked
                self._flaws.append(
                    YamlProblem(Position(1, 1), (), called, "save the file as UTF-8 without a byte order mark")
                )
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            flaw = YamlProblem(
                Position(line, 1), (), f"the byte 0x{content[error.start]:02x}", "save the file as UTF-8"
            )
            raise YamlError(self._name, [flaw]) from None

    def build(self, text: str) -> Document:
        """Raises YamlError where the text is not YAML, or is nested too deep."""
        import yaml

        self._check_characters(text)
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with it
        documents = 0
        try:
            for event in yaml.parse(text, Loader=loader):
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self._flaw(event, "a second document", "keep one in a file", path=())
                        break
                    if event.version or event.tags:
                        self._flaw(event, "a directive", "remove the line that begins with `%`", path=())
                elif isinstance(event, yaml.NodeEvent):
                    self._node(event)
                elif isinstance(event, yaml.CollectionEndEvent):
                    self._open.pop()
        except yaml.YAMLError as error:
            raise self._refused(_syntax_flaw(error, text)) from None
        if self._root is None:
            self._root = {}
        if not isinstance(self._root, dict):
            self._flaws.append(YamlProblem(Position(1, 1), (), _kind(self._root), "a stack's file is a mapping"))
            self._root = {}
        return Document(self._name, self._root, self._places, self._flaws)

    def _check_characters(self, text: str) -> None:
        if unprintable := _NOT_PRINTABLE.search(text):
            found = f"the control character U+{ord(unprintable[0]):04X}"
            position = _position_of(text, unprintable.start())
            raise self._refused(
                YamlProblem(position, (), found, "remove it, or write it as an escape in double quotes")
            )
        for character in _UNUSUAL_BREAK.finditer(text):
            found = f"the character U+{ord(character[0]):04X}, a line break to some YAML readers"
            position = _position_of(text, character.start())
            self._flaws.append(YamlProblem(position, (), found, "write it as an escape in double quotes"))

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
            self._flaw(event, f"the alias `{value}`", "write out the value that it stands for", path)
        else:
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
        if not isinstance(event, yaml.AliasEvent):
            self._check_properties(event, path)
        self._put(parent, event, path, value)
        if isinstance(value, dict | list):
            if len(self._open) == _MOST_LEVELS:
                found = f"more than {_MOST_LEVELS} levels of nesting"
                raise self._refused(YamlProblem(_start(event), (), found, "no setting is nested so deep"))
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
        self._places.setdefault(path, ValuePosition(key, _start(event)))

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
                YamlProblem(_start(event), parent.path, "a mapping or list as a key", "a key is a string on one line")
            )
        name = event.value if isinstance(event, yaml.ScalarEvent) else f"*{event.anchor}"
        path = (*parent.path, name)
        if "\n" in name:
            self._flaw(event, "a key of several lines", "write it on one line", parent.path)
        if isinstance(event, yaml.AliasEvent):
            self._flaw(event, f"the alias `{name}` as a key", "write out the key that it stands for", path)
        elif event.implicit[0] and name == "<<":
            self._flaw(event, "the merge key `<<`", "write out the keys that it brings", path)
        elif event.implicit[0] and not reads_as_written(name):
            self._flaw(event, f"the key `{name}` without quotes, no string to some YAML readers", _quoted(name), path)
        if isinstance(event, yaml.ScalarEvent):
            self._check_properties(event, path)
        if name in parent.values:
            earlier = self._places[path].key
            first = f", which line {earlier.line} has already" if earlier else ""
            self._flaw(event, f"the key `{name}`{first}", "keep one of them", path)
        parent.key = (name, _start(event))

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        if "\n" in event.value and (event.value[0] in "\n\t" or _UNUSUAL_BREAK.search(event.value)):
            # The CLI writes it as a block before it reads it again.
            found = "a string of several lines that begins with a line break or tab, or has an unusual line break"
            self._flaw(event, found, "the Pulumi CLI would not keep it: write it without that character", path)
        if not event.implicit[0]:
            return event.value
        value, reading = _resolve(event.value)
        if reading is None:
            return value
        if any(_NAMES_A_SECRET.search(part) for part in path if isinstance(part, str)):
            self._flaw(event, f"a value without quotes, {reading}", "put it in double quotes", path)
        else:
            self._flaw(event, f"`{event.value}` without quotes, {reading}", _quoted(event.value), path)
        return event.value

    def _check_properties(self, event: Any, path: KeyPath) -> None:
        if event.anchor:
            self._flaw(event, f"the anchor `&{event.anchor}`", "write the value out wherever it is needed", path)
        if event.tag:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._flaw(event, f"the tag `{tag}`", "remove it; quotes make a value a string", path)

    def _flaw(self, event: Any, found: str, remedy: str, path: KeyPath) -> None:
        self._flaws.append(YamlProblem(_start(event), path, found, remedy))

    def _refused(self, flaw: YamlProblem) -> YamlError:
        return YamlError(self._name, [*self._flaws, flaw])


def _resolve(text: str) -> tuple[Any, str | None]:
    """What a plain scalar means to every reader, or the string itself and what else it means to some."""
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
        return text, "a number that not every YAML reader keeps as it is written"
    if _BASE_60.fullmatch(digits):
        return text, "a number in base 60 to some YAML readers"
    if _DATE.fullmatch(text):
        return text, "a date to some YAML readers"
    return text, None


def _quoted(text: str) -> str:
    return f"write {json.dumps(text, ensure_ascii=False)}"


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else f"`{value}`"


def _start(event: Any) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)


def _position_of(text: str, index: int) -> Position:
    return Position(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


def _syntax_flaw(error: Any, text: str) -> YamlProblem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return YamlProblem(None, (), f"invalid YAML ({' '.join(str(error).split())})", "correct it")
    position = Position(mark.line + 1, mark.column + 1)
    line = text.splitlines()[mark.line : mark.line + 1]
    if line and line[0][mark.column : mark.column + 1] == "\t":
        return YamlProblem(position, (), "a tab", "indent with spaces")
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return YamlProblem(position, (), f"invalid YAML ({said})", f"correct it near column {position.column}")
