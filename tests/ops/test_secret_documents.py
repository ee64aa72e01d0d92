"""Secret documents: input formats, checks before a write, ages, and writers who interleave."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import EnvironmentSettings, load
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.client import ScalewayError
from ops.secrets.change import Change, KeyChanges
from ops.secrets.editor import EditedFile
from ops.secrets.formats import FormatError, dotenv, keys_and_values, text_of
from ops.secrets.history import History
from ops.secrets.store import Document, DocumentStore
from ops.stacks import find_stack
from ops.state.account import Account, Secret, SecretVersion
from tests.support.committed_stacks import config_of
from tests.support.environment import ROOT, clean_environment
from tests.support.forks import REAL_PYTHON
from tests.support.mocks import NOWHERE

VALUE = "s3cret-value"
SETTINGS = cast(EnvironmentSettings, load("local", config_of("local"), NOWHERE))
SETTINGS = SETTINGS.model_copy(update={"crash_alerts": None, "jobs": {}, "apps": {}}).model_copy(
    update={
        "apps": {
            "api": SETTINGS.apps["api"].model_copy(
                update={"document_variables": ["URL"], "secret_variables": [{"MONGO": "MONGO_URL"}]}
            )
        }
    }
)
COMPLETE = {"URL": "u", "MONGO_URL": VALUE}


# --- formats --------------------------------------------------------------------------------------------


def test_dotenv_allows_comments_quotes_and_several_lines() -> None:
    text = '# a\n\nA=1\r\nexport B = two words # note\nC=\'#1 "x"\'  # note\nD="a\\nb\nc\\""\nE=\nF=a#b'
    assert dotenv(text) == {"A": "1", "B": "two words", "C": '#1 "x"', "D": 'a\nb\nc"', "E": "", "F": "a#b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"A=1\n{VALUE}", "line 2: expected KEY=VALUE"),
        (f"A=1\nA={VALUE}", "line 2: A is listed twice"),
        (f'\nA="{VALUE}', 'line 2: the closing " is missing or followed by text'),
        (f"A='{VALUE}' {VALUE}", "line 1: the closing ' is missing or followed by text"),
        ("# nothing", "no keys"),
        ("{", "line 1, column 2: Expecting property name enclosed in double quotes"),
        (f'{{"A": "{VALUE}", "A": "b"}}', "A is listed twice"),
        (f'["{VALUE}"]', "not a JSON object"),
        pytest.param("[" * 100_000, "nested too deeply", id="deep"),
    ],
)
def test_an_error_names_the_line_and_never_the_value(text: str, message: str) -> None:
    with pytest.raises(FormatError) as error:
        keys_and_values(text)
    assert str(error.value) == message
    assert error.value.__cause__ is None


def test_text_must_be_utf8() -> None:
    assert text_of(b"\xef\xbb\xbf\xc3\xa9") == "é"
    with pytest.raises(FormatError, match=r"not UTF-8 \(byte 3\)"):
        text_of(b"ab\xff")


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True), st.text("ab \"'\\#=\né$"), min_size=1))
def test_double_quotes_can_express_any_value(values: dict[str, str]) -> None:
    lines = (f'{key}="{_escaped(value)}"' for key, value in values.items())
    assert dotenv("\n".join(lines)) == values


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


# --- checks before a write ------------------------------------------------------------------------------


def test_a_change_lists_keys_and_is_checked_against_what_the_apps_take() -> None:
    change = Change.of(SETTINGS, COMPLETE, {**COMPLETE, "URL": "v", "EXTRA": "x"})
    assert change.keys == KeyChanges(("EXTRA",), ("URL",), ())
    assert (change.remaining, change.unused, change.similar) == ([], ["EXTRA"], {})
    assert json.loads(change.content) == {**COMPLETE, "URL": "v", "EXTRA": "x"}
    assert VALUE not in repr(change)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ({"URL": "u"}, "MONGO_URL: missing (used by app api)"),
        ({**COMPLETE, "URL": 1}, "URL: not a string"),
        ({**COMPLETE, "OTHER": [VALUE]}, "OTHER: not a string"),
        pytest.param({**COMPLETE, "URL": "x" * 65_537}, "URL: longer than", id="long"),
        ({**COMPLETE, "OTHER": "\ud800"}, "OTHER: not valid Unicode"),
        ({**COMPLETE, "OTHER": "a\0"}, "OTHER: contains a NUL character"),
        pytest.param({**COMPLETE, "OTHER": VALUE * 6000}, "Scaleway allows 65536", id="large"),
    ],
)
def test_a_document_that_would_be_invalid_is_refused(new: dict[str, Any], message: str) -> None:
    with pytest.raises(OpsError) as error:
        Change.of(SETTINGS, COMPLETE, new)
    assert message in str(error.value)
    assert "Nothing was changed" in str(error.value)
    assert VALUE not in str(error.value)


def test_missing_keys_can_be_set_one_by_one() -> None:
    change = Change.of(SETTINGS, {}, {"MONGO_URLS": "x", "URL": "u"})
    assert [each.key for each in change.remaining] == ["MONGO_URL"]
    assert change.similar == {"MONGO_URLS": "MONGO_URL"}


DOCUMENTS = st.dictionaries(st.sampled_from("ABC"), st.sampled_from("xyz")).map(lambda found: {**COMPLETE, **found})


@given(base=DOCUMENTS, mine=DOCUMENTS, theirs=DOCUMENTS)
def test_a_change_applied_to_another_document_sets_and_removes_the_same_keys(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    change = Change.of(SETTINGS, base, mine)
    applied = change.applied_to(SETTINGS, theirs)
    for key in {*base, *mine, *theirs}:
        expected = mine if key in change.keys.names else theirs
        assert applied.new.get(key) == expected.get(key)
    assert change.applied_to(SETTINGS, base).new == mine


# --- versions -------------------------------------------------------------------------------------------

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Cloud:
    """Secret Manager with one secret, and what happens beside the writer."""

    versions_: list[SecretVersion] = field(default_factory=list)
    contents: dict[int, bytes] = field(default_factory=dict)
    before_write: list[Callable[[], object]] = field(default_factory=list)
    lost: int | None = None
    """HTTP status in place of the response to a write that was executed; 0 is no response."""
    may_disable: bool = True
    may_list: bool = True
    twice: bool = False
    """Whether a write is executed twice, as after a lost response."""

    def add(self, **values: str) -> int:
        return self._add(json.dumps(values).encode(), "")

    def _add(self, content: bytes, description: str) -> int:
        revision = len(self.versions_) + 1
        self.versions_.append(SecretVersion(revision, True, START + timedelta(days=revision), description))
        self.contents[revision] = content
        return revision

    def disable(self, _secret: Secret, revision: int) -> None:
        if not self.may_disable:
            raise ScalewayError("Scaleway returned 403.", 403, ExitCode.FAILED)
        old = self.versions_[revision - 1]
        self.versions_[revision - 1] = SecretVersion(revision, False, old.created, old.description)

    def versions(self, _secret: Secret) -> list[SecretVersion]:
        if not self.may_list:
            raise ScalewayError("Scaleway did not respond.", 0, ExitCode.FAILED)
        return self.versions_[::-1]

    def content_of(self, _secret: Secret, revision: int) -> bytes:
        return self.contents[revision]

    def write(self, _secret: Secret, content: bytes, description: str) -> int:
        for happen in self.before_write:
            happen()
        revision = self._add(content, description)
        if self.twice:
            revision = self._add(content, description)
        if self.lost is not None:
            raise ScalewayError("no response", self.lost, ExitCode.FAILED)
        return revision

    @property
    def latest(self) -> dict[str, str]:
        revision = max(each.revision for each in self.versions_ if each.is_enabled)
        found: dict[str, str] = json.loads(self.contents[revision])
        return found

    @property
    def store(self) -> DocumentStore:
        secret = Secret("id", "snu-local", "project")
        return DocumentStore(find_stack(ROOT, "local"), SETTINGS, cast(Account, self), secret)


@pytest.fixture
def cloud() -> Cloud:
    cloud = Cloud()
    cloud.add(A="1")
    return cloud


def write(cloud: Cloud, base: Document | None = None) -> int:
    store = cloud.store
    return store.write(base or store.read(), b'{"A": "mine"}', "test")


def refused(cloud: Cloud, base: Document | None = None) -> str:
    with pytest.raises(OpsError) as error:
        write(cloud, base)
    assert error.value.code == ExitCode.REFUSED
    return str(error.value)


def test_a_version_is_created_if_the_document_is_unchanged(cloud: Cloud) -> None:
    assert write(cloud) == 2
    assert cloud.latest == {"A": "mine"}
    assert cloud.versions_[1].description.startswith("test by ")
    assert VALUE not in repr(Document("x", 1, 1, START, VALUE.encode()))


def test_nothing_is_written_over_a_newer_version(cloud: Cloud) -> None:
    base = cloud.store.read()
    cloud.add(A="theirs")
    assert "revision 2 was created. Nothing was changed." in refused(cloud, base)
    assert len(cloud.versions_) == 2


def test_of_two_versions_at_the_same_time_the_earlier_one_counts(cloud: Cloud) -> None:
    cloud.before_write.append(lambda: cloud.add(A="theirs"))
    assert "Your revision 3 was disabled." in refused(cloud)
    assert cloud.latest == {"A": "theirs"}
    cloud.before_write.clear()
    assert write(cloud) == 4


def test_a_version_based_on_one_that_is_withdrawn_is_withdrawn_too(cloud: Cloud) -> None:
    cloud.add(A="theirs")
    cloud.before_write.append(lambda: cloud.disable(cloud.store._secret, 2))
    assert "revision 2 was disabled" in refused(cloud)
    assert cloud.latest == {"A": "1"}


def test_a_version_that_cannot_be_withdrawn_is_reported(cloud: Cloud) -> None:
    cloud.before_write.append(lambda: cloud.add(A="theirs"))
    cloud.may_disable = False
    assert "Your revision 3, which is now the latest," in refused(cloud)


def test_a_write_that_is_executed_twice_is_no_conflict_with_itself(cloud: Cloud) -> None:
    cloud.twice = True
    assert write(cloud) == 3
    assert cloud.latest == {"A": "mine"}


def test_a_lost_response_to_a_write_that_was_executed_is_no_failure(cloud: Cloud) -> None:
    cloud.lost = 0
    assert write(cloud) == 2
    cloud.lost = 403
    with pytest.raises(OpsError, match="cannot be written with the current API key") as error:
        write(cloud)
    assert error.value.code == ExitCode.ENVIRONMENT


@pytest.mark.parametrize(
    ("lost", "message"),
    [(0, "It is unknown whether the new version was written."), (None, "Revision 2 was written, but not checked")],
)
def test_what_is_unknown_after_a_write_is_said(cloud: Cloud, lost: int | None, message: str) -> None:
    base, cloud.lost = cloud.store.read(), lost
    cloud.before_write.append(lambda: setattr(cloud, "may_list", False))
    with pytest.raises(OpsError) as error:
        write(cloud, base)
    assert str(error.value).startswith(message)
    assert "scripts/snu secrets history local" in str(error.value)


def test_history_and_ages_tell_keys_without_values(cloud: Cloud) -> None:
    cloud.add(A="1", B=VALUE)
    cloud.add(A="2", B=VALUE)
    cloud._add(b"nonsense", "")
    cloud.add(A="2", B=VALUE, C="3")
    cloud.disable(cloud.store._secret, 3)
    found = History(cloud.store, 10)
    changes = {each.revision: each.changes for each in found.revisions()}
    assert changes == {
        5: KeyChanges(("C",), ("A",), ()),
        4: None,
        3: None,
        2: KeyChanges(("B",), (), ()),
        1: KeyChanges(("A",), (), ()),
    }
    assert {key: (age.revision, age.or_earlier) for key, age in found.ages().items()} == {
        "A": (5, False),
        "B": (2, False),
        "C": (5, False),
    }
    assert VALUE not in repr(found.revisions())
    few = History(cloud.store, 1)
    assert {key: (age.revision, age.or_earlier) for key, age in few.ages().items()}["A"] == (5, True)
    assert not few.is_complete


def test_a_document_that_is_not_an_object_is_an_error(cloud: Cloud) -> None:
    cloud._add(f'["{VALUE}"]'.encode(), "")
    with pytest.raises(OpsError, match="snu-local is not a JSON object") as error:
        _ = cloud.store.read().values
    assert VALUE not in str(error.value)
    assert cloud.store.read().latest == 2


# --- the editor -----------------------------------------------------------------------------------------


def script(folder: Path, text: str) -> dict[str, str]:
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return {
        "PATH": os.environ["PATH"],
        "VISUAL": f"{path} --flag",
        "XDG_RUNTIME_DIR": str(folder),
        "SCW_SECRET_KEY": "k",
    }


def test_the_file_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    environ = script(tmp_path, 'test "$1" = --flag && test -z "$SCW_SECRET_KEY" && echo x >"$2.swp" && echo new >"$2"')
    with EditedFile.created("doc.json", b"old", environ) as file:
        (path,) = tmp_path.glob("snu-*/doc.json")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert file.edit() == b"new\n"
        assert path.with_suffix(".json.swp").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["editor"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exit 3", "exited with status 3"),
        ("kill -9 $$", "was terminated by SIGKILL"),
        ('rm "$2"', "edited file no longer exists"),
    ],
)
def test_an_editor_that_fails_changes_nothing(tmp_path: Path, text: str, message: str) -> None:
    with EditedFile.created("doc.json", b"old", script(tmp_path, text)) as file, pytest.raises(OpsError) as error:
        file.edit()
    assert message in str(error.value)
    assert "Nothing was changed" in str(error.value)


@pytest.mark.parametrize("editor", ["no-such-editor", "'", " "])
def test_an_editor_must_exist(tmp_path: Path, editor: str) -> None:
    environ = {"EDITOR": editor, "PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path)}
    with pytest.raises(OpsError) as error, EditedFile.created("doc.json", b"old", environ) as file:
        file.edit()
    assert error.value.code == ExitCode.ENVIRONMENT
    assert not [*tmp_path.iterdir()]


_EDITING = """
import os, sys
from ops.process_environment import process_environment
from ops.secrets.editor import EditedFile
from pulumi_state.signals import handle_signals, raise_keyboard_interrupt
with handle_signals(raise_keyboard_interrupt, raise_keyboard_interrupt):
    with EditedFile.created("doc.json", b"old", process_environment()) as file:
        print(file.edit().decode(), flush=True)
"""


@pytest.mark.parametrize("sent", ["SIGTERM", "SIGINT"])
def test_the_file_is_deleted_whatever_signal_ends_the_command(tmp_path: Path, sent: str) -> None:
    environ = script(tmp_path, 'touch "$XDG_RUNTIME_DIR/begun"; exec sleep 60')
    with subprocess.Popen(
        [REAL_PYTHON, "-c", _EDITING],
        env=clean_environment(PYTHONPATH=str(ROOT), **environ),
        start_new_session=True,
        stderr=subprocess.PIPE,
    ) as process:
        while not (tmp_path / "begun").exists():
            assert process.poll() is None
            time.sleep(0.01)
        if sent == "SIGINT":
            os.killpg(process.pid, 2)  # as a terminal does on Ctrl-C
        else:
            process.terminate()
        assert process.wait(30) != 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["begun", "editor"]


def test_a_typed_value_is_not_shown(tmp_path: Path) -> None:
    terminal, own = pty.openpty()
    code = "import sys\nfrom ops.commands.secrets import _entered\nprint(len(_entered('KEY')), file=sys.stderr)"
    with subprocess.Popen(
        [REAL_PYTHON, "-c", code],
        env=clean_environment(PYTHONPATH=str(ROOT)),
        stdin=own,
        stdout=own,
        stderr=own,
        start_new_session=True,
    ) as process:
        os.close(own)
        shown = b""
        while b"(not shown): " not in shown:
            shown += os.read(terminal, 1000)
        os.write(terminal, VALUE.encode() + b"\n")
        with closing(os.fdopen(terminal, "rb", buffering=0)) as stream:
            try:
                while more := stream.read(1000):
                    shown += more
            except OSError:
                pass
        assert process.wait(30) == 0, sys.stderr
    assert str(len(VALUE)).encode() in shown
    assert VALUE.encode() not in shown
