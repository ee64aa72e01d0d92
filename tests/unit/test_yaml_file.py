"""The reader of stack files: what it accepts means the same to every YAML reader."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from infra.images.images_file import load_sources
from infra.settings import SettingsError
from infra.settings.built import built_file, read_built
from ops.adopt.acceptance import read_accepted
from ops.errors import OpsError
from pulumi_state.errors import PulumiError
from pulumi_state.stack_file import StackFile, as_text
from pulumi_state.yaml_file import Position, ValuePosition, YamlError
from tests.support.environment import ROOT, clean_environment
from tests.support.programs import needs
from tests.support.source_files import product_packages, source_files
from tests.support.yaml_scalars import written

NAME = "Pulumi.test.yaml"


def parse(text: str | bytes) -> StackFile:
    return StackFile.parse(text, NAME)


def refusal(text: str | bytes) -> str:
    with pytest.raises(YamlError) as error:
        parse(text)
    return str(error.value)


def nested(scalar: str) -> str:
    return f"config:\n  snu:x:\n    k: {scalar}\n"


# --- scalars and keys -----------------------------------------------------------------------------------

ACCEPTED = {
    "text": "text",
    "'012'": "012",
    '"yes"': "yes",
    "true": True,
    "False": False,
    "null": None,
    "~": None,
    "": None,
    "0": 0,
    "-17": -17,
    "9007199254740992": 2**53,
    "0.5": 0.5,
    "-0.25": -0.25,
    "1.2.3": "1.2.3",
    "127.0.0.1": "127.0.0.1",
    "12:60": "12:60",
    "2026-11": "2026-11",
    "_1": "_1",
    "v1:abc==": "v1:abc==",
    "4f2a": "4f2a",
    "http://{host}:8421": "http://{host}:8421",
    "|\n      two\n      lines\n": "two\nlines\n",
}
REFUSED = {
    "which some YAML readers treat as a boolean": ("y", "N", "yes", "No", "ON", "off"),
    "which some YAML readers treat as a date": (
        *("2026-11-26", "2026-1-2", "2026-11-26T10:00:00Z", "2026-11-26 10:00:00"),
    ),
    "which some YAML readers treat as a base-60 number": ("12:30", "1:2:3", "-1:30", "190:20:30.15"),
    "a number that not all YAML readers preserve": (
        *("012", "08", "-0", "+1", "0x1F", "0b1", "0o17", "1_000", "9007199254740993", "123456789012345678901"),
        *("1.10", "1.0", "1.", ".5", "1e5", "1E+5", "12e4567", ".inf", "-.Inf", ".nan", "0.12345678901234567890"),
    ),
    "which some YAML readers treat as a special value": ("=", "<<"),
}


@pytest.mark.parametrize("scalar", ACCEPTED)
def test_unambiguous_scalars_are_accepted(scalar: str) -> None:
    value = parse(nested(scalar)).config["snu:x"]["k"]
    assert value == ACCEPTED[scalar]
    assert type(value) is type(ACCEPTED[scalar])


@pytest.mark.parametrize(
    ("reading", "scalar"), [(reading, scalar) for reading, scalars in REFUSED.items() for scalar in scalars]
)
def test_ambiguous_scalars_are_rejected_with_their_quoted_form(reading: str, scalar: str) -> None:
    said = refusal(nested(scalar))
    assert said.startswith(f"{NAME}:3: snu:x.k: found `{scalar}` without quotes, {reading}")
    assert said.endswith(f'; write "{scalar}"')
    assert parse(nested(f'"{scalar}"')).config == {"snu:x": {"k": scalar}}


@pytest.mark.parametrize("key", ["ON", "y", "1", "0.5", "null", "~", "true", "2026-11-26", "12:30", "1e5"])
def test_a_key_is_a_string_to_every_reader(key: str) -> None:
    said = refusal(f"config:\n  snu:x:\n    {key}: v\n")
    assert f"{NAME}:3: snu:x.{key}: found the unquoted key `{key}`, " in said
    assert said.endswith(f'write "{key}"')
    assert parse(f'config:\n  snu:x:\n    "{key}": v\n').config == {"snu:x": {key: "v"}}


def test_all_problems_are_listed_without_secret_values() -> None:
    said = refusal(
        "config:\n  snu:a:\n  snu:x:\n    - SINCE: 2026-11-26\n      ON: 1\n"
        "  snu:passwords: {user: 012345678}\nextra: 1\n"
    )
    assert [line.partition(" found")[0] for line in said.splitlines()] == [
        f"{NAME}:4: snu:x[0].SINCE:",
        f"{NAME}:5: snu:x[0].ON:",
        f"{NAME}:6: snu:passwords.user:",
        f"{NAME}:7: extra:",
        f"{NAME}:2: snu:a:",
    ]
    assert "012345678" not in said


TEXTS = st.text(alphabet="0123456789+-._:eExoabTZ =<~ynsuftr", max_size=8) | st.sampled_from(written(0, 400))


@example("a\tb", False)
@example("-_", False)
@example("0x_", True)
@example("._", False)
@given(TEXTS, st.booleans())
def test_other_readers_agree_on_what_is_accepted(scalar: str, as_key: bool) -> None:
    """PyYAML reads YAML 1.1, ruamel YAML 1.2."""
    text = f"config:\n  snu:x:\n    {scalar}: 1\n" if as_key else nested(scalar)
    try:
        config = parse(text).config
    except PulumiError:
        return
    assert repr(yaml.safe_load(text)["config"]) == repr(config)
    assert repr(YAML(typ="safe", pure=True).load(text)["config"]) == repr(config)


# --- structure and encodings ----------------------------------------------------------------------------

STRUCTURE: dict[str, tuple[str | bytes, str]] = {
    "a duplicate key": (
        "config:\n  snu:a: 1\n  snu:b: 1\n  snu:a: 2\n",
        ":4: snu:a: found the duplicate key `snu:a`, first on line 2",
    ),
    "a tab": ("config:\n\tsnu:a: 1\n", ":2: found a tab; indent with spaces"),
    "an alias": ("config:\n  a: &x [1]\n  b: *x\n", ":2: a: found the anchor `&x`"),
    "an alias without an anchor": ("config:\n  b: *x\n", ":2: b: found the alias `*x`"),
    "a merge key": ("config:\n  a:\n    <<: {b: 1}\n", ":3: a.<<: found the merge key"),
    "a binary tag": ("config:\n  a: !!binary aGVsbG8=\n", ":2: a: found the tag `!!binary`"),
    "a tag of Python": ("config:\n  a: !!python/object/apply:os.system [x]\n", ":2: a: found the tag `!!python"),
    "a list as a key": ("config:\n  ? [a]\n  : 1\n", ":2: config: found a mapping or list as a key"),
    "two documents": ("config: {}\n---\nconfig: {}\n", ":2: found a second document"),
    "a directive": ("%YAML 1.1\n---\nconfig: {}\n", ":1: found a directive"),
    "invalid YAML": ("config: [\n", ":2: found invalid YAML"),
    "a value that is no mapping": ("config:\n  a: b: c\n", ":2: found invalid YAML"),
    "a list": ("- a\n", ":1: found a list"),
    "a configuration that is a list": ("config: [1]\n", ":1: config: found no mapping"),
    "an unknown key": ("conifg: {}\n", ":1: conifg: found an unknown key"),
    "a salt that is a number": ("encryptionsalt: 5\n", ":1: encryptionsalt: found `5`"),
    "a top-level value that is missing": ("config:\n  snu:a:\n", ":2: snu:a: found no value"),
    "a byte order mark": (b"\xef\xbb\xbfconfig: {}\n", ":1: found a byte order mark"),
    "UTF-16": ("config: {}\n".encode("utf-16"), ":1: found text in UTF-16"),
    "half of UTF-16": (b"\xff\xfe\x00\xd8", ":1: found the byte 0x"),
    "latin-1": ("config:\n  a: é\n".encode("latin-1"), ":2: found the byte 0xe9; save the file as UTF-8"),
    "a control character": ("config:\n  a: \x07\n", ":2: found the control character U+0007"),
    "a null byte": (b"config: {}\n\x00", ":2: found the control character U+0000"),
    "a line separator": ("config:\n  a: b\u2028c\n", ":2: found the character U+2028"),
    "a string that the CLI cuts": ('config:\n  a: "\\nb"\n', ":2: a: found a multi-line string"),
    "brackets without end": ("config: " + "[" * 100_000, ":1: found more than 32 levels"),
    "lists without end": ("config:\n" + "- " * 100_000, ":2: found more than 32 levels"),
    "mappings without end": ("config: " + "{a: " * 100_000, ":1: found more than 32 levels"),
    "aliases of aliases": (
        "config:\n  a0: &a0 [x]\n" + "".join(f"  a{i}: &a{i} [{f'*a{i - 1}, ' * 9}]\n" for i in range(1, 50)),
        ":2: a0: found the anchor `&a0`",
    ),
    "a file of megabytes": ("config:\n  a: [" + "1, " * 1_000_000, ": found more than 1024 KiB"),
}


@pytest.mark.parametrize("case", STRUCTURE)
def test_invalid_stack_files_are_rejected_with_file_and_line(case: str) -> None:
    text, said = STRUCTURE[case]
    found = refusal(text)
    assert found.startswith(f"{NAME}{said}"), found
    assert len(found.splitlines()) <= 21


@given(st.binary(max_size=60) | st.text(alphabet="ab:{}[],&*!|>'\"%@`#?-~ \n\t\r\ufeff\u2028é\x00", max_size=40))
def test_any_content_is_read_or_rejected(content: bytes | str) -> None:
    with contextlib.suppress(YamlError):
        parse(content)


def test_an_empty_file_has_no_configuration() -> None:
    for text in ("", "# nothing\n", "---\n", "config:\n", "null\n"):
        assert parse(text).config == {}


def test_keys_and_values_have_positions() -> None:
    places = parse("config:\n  snu:a: 1\n  snu:b:\n    - {c: d}\n").document.positions
    assert places["config", "snu:a"] == ValuePosition(Position(2, 3), Position(2, 10))
    assert places["config", "snu:b"] == ValuePosition(Position(3, 3), Position(4, 5))
    assert places["config", "snu:b", 0] == ValuePosition(None, Position(4, 7))
    assert places["config", "snu:b", 0, "c"] == ValuePosition(Position(4, 8), Position(4, 11))


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(PulumiError, match=r"none\.yaml does not exist"):
        StackFile.read(tmp_path / "none.yaml")
    with pytest.raises(PulumiError, match="cannot be read: Is a directory"):
        StackFile.read(tmp_path)


# --- the real CLI ---------------------------------------------------------------------------------------


def _entries(scalars: list[str]) -> list[str]:
    """Lines under `config:` with each scalar: as a value, inside a value, and as a key."""
    entries = []
    for number, scalar in enumerate(scalars):
        entries += [f"  snu:top{number}: {scalar}\n", f"  snu:in{number}:\n    k: {scalar}\n    l: [0]\n"]
        if "\n" not in scalar:
            entries.append(f"  snu:key{number}:\n    {scalar}: 1\n")
    return entries


def _accepted(entry: str) -> bool:
    try:
        parse(f"config:\n{entry}")
    except PulumiError:
        return False
    return True


def _cli_config(folder: Path, text: str) -> dict[str, str]:
    """The values that `pulumi config` reads from a stack's file, as programs receive them."""
    (folder / "Pulumi.yaml").write_text("name: snu\nruntime: python\n")
    (folder / "state").mkdir(exist_ok=True)
    file = folder / "Pulumi.test.yaml"
    file.write_text("config: {}\n")
    environment = clean_environment(
        PULUMI_BACKEND_URL=f"file://{folder}/state", PULUMI_CONFIG_PASSPHRASE="x", PULUMI_HOME=str(folder / "home")
    )

    def pulumi(*arguments: str) -> str:
        command = ["pulumi", *arguments, "--stack", "test", "--non-interactive"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    pulumi("stack", "init")
    file.write_text(text + file.read_text().partition("config: {}\n")[2], encoding="utf-8")
    return {key: entry["value"] for key, entry in json.loads(pulumi("config", "--json")).items()}


@needs("pulumi")
def test_the_cli_deploys_what_is_read(tmp_path: Path) -> None:
    """Accepted values are those that the CLI reads; the quoted form of the others is the string as written."""
    scalars = written(20261126, 700)
    entries = _entries(scalars)
    accepted = [entry for entry in entries if _accepted(entry)]
    quoted = {
        f"snu:quoted{number}": scalar
        for number, scalar in enumerate(scalar for scalars in REFUSED.values() for scalar in scalars)
    }
    text = "".join(["config:\n", *accepted, *(f'  {key}: ["{value}"]\n' for key, value in quoted.items())])
    config = parse(text).config
    assert len(entries) / 3 < len(accepted) < len(entries), "the generator makes too little of one kind"
    shown = _cli_config(tmp_path, text)
    assert {key: _canonical(value) for key, value in shown.items()} == {
        key: _canonical(as_text(value)) for key, value in config.items()
    }
    assert {key: json.loads(shown[key])[0] for key in quoted} == quoted


def _canonical(text: str) -> str:
    """Normalize JSON; `1` and `1.0` remain different."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        return text
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else text


def test_no_other_module_reads_stack_files() -> None:
    """Modules that import a YAML library read other kinds of files, or write."""
    others = {
        "infra/backend.py",  # Pulumi.yaml
        "infra/images/images_file.py",  # images.yaml
        "infra/images/workspace.py",  # pnpm-workspace.yaml
        "infra/settings/built.py",  # .local/images
        "ops/adopt/acceptance.py",
        "ops/cost/prices.py",
        "ops/releases/rollback.py",  # copies with comments what the reader has accepted
        "ops/stack_file.py",  # writes
    }
    found = {
        path.relative_to(ROOT).as_posix()
        for package in product_packages(ROOT)
        for path in source_files(ROOT / package)
        if re.search(r"^\s*(import yaml|from (ruamel|yaml)\b)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert found == {*others, "pulumi_state/yaml_file.py"}


def _bomb() -> str:
    lines = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)]
    return f"a0: &a0 [x]\n{''.join(lines)}workspace: *a29\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("[" * 1_500 + "]" * 1_500, id="deep"),
        pytest.param(_bomb(), id="aliases of aliases"),
        pytest.param("a: &a [*a]\nworkspace: *a\n", id="itself"),
    ],
)
def test_other_yaml_files_are_refused_without_taking_long(tmp_path: Path, content: str) -> None:
    built = built_file(tmp_path, "ci")
    built.parent.mkdir(parents=True)
    for file in (tmp_path / "images.yaml", tmp_path / "accepted.yaml", built):
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"images\.yaml"):
        load_sources(tmp_path)
    with pytest.raises(OpsError, match=r"accepted\.yaml"):
        read_accepted(tmp_path / "accepted.yaml")
    with contextlib.suppress(SettingsError):
        read_built(tmp_path, "ci")
