"""No secret leaves the crash-alerts job, however a program has encoded it."""

from __future__ import annotations

import base64
import html
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.apps.node import NODE

Mask = Callable[[dict[str, str], str], str]


@pytest.fixture(scope="module")
def mask() -> Iterator[Mask]:
    """The job's own code, in one process for all examples. It needs no package."""
    process = subprocess.Popen(
        [NODE, str(Path(__file__).with_name("mask_worker.mjs"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked, answers = process.stdin, process.stdout

    def masked(document: dict[str, str], text: str) -> str:
        asked.write(json.dumps({"document": document, "text": text}) + "\n")
        asked.flush()
        answer = json.loads(answers.readline())
        assert isinstance(answer, str)
        return answer

    with process:
        yield masked
        asked.close()


def lower_case_percent(text: str) -> str:
    return "".join(each if each.isascii() and each.isalnum() else quote(each, safe="").lower() for each in text)


def every_byte(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def every_unit(text: str) -> str:
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02X}{units[at + 1]:02x}" for at in range(0, len(units), 2))


ESCAPES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON in ASCII": lambda text: json.dumps(text)[1:-1],
    "JSON with slashes escaped": lambda text: json.dumps(text, ensure_ascii=False)[1:-1].replace("/", "\\/"),
    "each unit escaped": every_unit,
    "a path's part": lambda text: quote(text, safe=""),
    "a path": quote,
    "a form": quote_plus,
    "lower-case hexadecimal digits": lower_case_percent,
    "each byte escaped": every_byte,
    "HTML": html.escape,
    "HTML with numbers": lambda text: "".join(f"&#{ord(each)};" for each in text),
}
BINARY: dict[str, Callable[[bytes], str]] = {
    "base64": lambda content: base64.b64encode(content).decode(),
    "base64url": lambda content: base64.urlsafe_b64encode(content).decode(),
    "base64url without padding": lambda content: base64.urlsafe_b64encode(content).decode().rstrip("="),
}
# No lone surrogates, which have no UTF-8, and no blanks at the ends, which no reader of a secret keeps.
LETTERS = st.characters(codec="utf-8")
SECRETS = st.text(LETTERS, min_size=6, max_size=40).map(str.strip).filter(lambda text: len(text) >= 6)
AROUND = st.text(st.sampled_from("abc xyz:,;\n"), max_size=5)


def hidden(encoded: str, masked: str) -> bool:
    return encoded not in masked and "[KEY]" in masked


@given(
    secret=SECRETS,
    escapes=st.lists(st.sampled_from(sorted(ESCAPES)), min_size=1, max_size=3),
    before=AROUND,
    after=AROUND,
    blanks=st.sampled_from(["", " ", "\n", " \t\r\n"]),
)
@example(secret='x"y/z é', escapes=["JSON", "lower-case hexadecimal digits"], before="", after="", blanks="\n")
@example(secret="50%25+off", escapes=["a form", "JSON"], before="", after="", blanks=" ")
@example(secret="ends with \\", escapes=["JSON"], before="", after="n", blanks="")
def test_no_escape_hides_a_secret(
    mask: Mask, secret: str, escapes: list[str], before: str, after: str, blanks: str
) -> None:
    encoded = secret
    for escape in escapes:
        encoded = ESCAPES[escape](encoded)
    text = mask({"KEY": secret + blanks}, f"({before} {encoded} {after})")
    assert hidden(encoded, text), text
    assert text.startswith(f"({before}")
    assert text.endswith(f"{after})")


@given(
    secret=SECRETS.filter(lambda text: len(text.encode()) >= 12),
    binary=st.sampled_from(sorted(BINARY)),
    inner=st.sampled_from(["as it is", "JSON", "a path's part"]),
    escape=st.sampled_from(sorted(ESCAPES)),
    before=st.binary(max_size=5),
    after=st.binary(max_size=5),
)
def test_base64_does_not_either(
    mask: Mask, secret: str, binary: str, inner: str, escape: str, before: bytes, after: bytes
) -> None:
    """Whatever is encoded together with it."""
    content = ESCAPES[inner](secret).encode()
    encoded = BINARY[binary](before + content + after)
    first, last = -(-len(before) // 3) * 4, (len(before) + len(content)) // 3 * 4
    text = mask({"KEY": secret}, f"got {ESCAPES[escape](encoded)}.")
    assert hidden(ESCAPES[escape](encoded[first:last]), text), text


@given(
    name=st.sampled_from(["password", "PASSWORD", "client_secret", "apiKey", "mot_de_passe", "access-token", "MDP"]),
    value=st.text(LETTERS.filter(lambda each: each not in "\n\r"), min_size=3, max_size=20).filter(
        lambda text: len(text.strip()) >= 3 and not set(text) & set("\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e")
    ),
    escapes=st.lists(st.sampled_from(["JSON", "JSON in ASCII", "a path's part", "HTML"]), max_size=2),
)
@example(name="password", value="x y z", escapes=[])
@example(name="password", value='x\\" y', escapes=["JSON"])
def test_a_value_that_is_called_a_secret_is_hidden_though_nobody_knows_it(
    mask: Mask, name: str, value: str, escapes: list[str]
) -> None:
    text = json.dumps({name: value, "user": "jane"}, ensure_ascii=False)
    encoded = json.dumps(value, ensure_ascii=False)[1:-1]
    for escape in escapes:
        text, encoded = ESCAPES[escape](text), ESCAPES[escape](encoded)
    masked = mask({}, f"sent {text}")
    assert "***" in masked
    rest = masked.replace("***", "")
    assert encoded not in rest or encoded in ESCAPES["as it is"](f'sent {{"{name}": "", "user": "jane"}}'), masked


@given(st.text(max_size=200))
def test_strings_without_secrets_are_left_alone_by_the_document(mask: Mask, text: str) -> None:
    assert mask({"KEY": "a-value-that-is-not-there"}, text) == mask({}, text)


def test_a_string_of_a_megabyte_is_cut_and_a_secret_at_the_cut_does_not_stay(mask: Mask) -> None:
    secret = "hush-hush-hush"
    for before in range(63_980, 64_001):
        masked = mask({"KEY": secret}, "x" * before + secret + "y" * 1_000_000)
        assert "hush" not in masked
        assert len(masked) <= 64_000
