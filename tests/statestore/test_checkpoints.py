"""States in every format that the Pulumi CLI writes, in every kind of store."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.state.checkpoint import read_checkpoint
from ops.state.history import updates_of
from ops.state.last_run import observe, remember
from pulumi_state.compression import GZIP, SUFFIXES, ZSTD, cli_environment, compress, decompress, suffix_of
from pulumi_state.errors import OverwrittenError
from pulumi_state.state_file import StateFile
from pulumi_state.store import Store, StoreError, checkpoints, layout

PROJECT, STACK = "snu", "stage.json.gz"  # as awkward as names may be
VARIABLES = ["PULUMI_DIY_BACKEND_GZIP", "PULUMI_SELF_MANAGED_STATE_ZSTD", "PATH"]
RECORD = {"kind": "update", "startTime": 1, "endTime": 2, "result": "succeeded"}


def document(**latest: object) -> bytes:
    return json.dumps(
        {"version": 3, "checkpoint": {"stack": f"organization/{PROJECT}/{STACK}", "latest": latest}}
    ).encode()


def key(suffix: str) -> str:
    return layout.checkpoint(PROJECT, STACK) + suffix


@given(st.binary(), st.sampled_from(SUFFIXES))
def test_compression_keeps_the_content(content: bytes, suffix: str) -> None:
    content = b"{" + content  # as JSON, it begins like no compressed object
    assert decompress(compress(content, suffix)) == content
    assert compress(content, suffix) == compress(content, suffix)


@given(st.binary(min_size=1), st.sampled_from([GZIP, ZSTD]), st.data())
def test_a_truncated_object_is_damaged(content: bytes, suffix: str, data: st.DataObject) -> None:
    whole = compress(content, suffix)
    with pytest.raises(ValueError, match=r"\S"):
        decompress(whole[: data.draw(st.integers(4, len(whole) - 1))])


@given(st.dictionaries(st.sampled_from(VARIABLES), st.just("1")))
def test_the_environment_asks_for_one_form(environ: dict[str, str]) -> None:
    forms = {"": {}, GZIP: {"PULUMI_DIY_BACKEND_GZIP": "true"}, ZSTD: {"PULUMI_DIY_BACKEND_ZSTD": "true"}}
    others = {name: value for name, value in environ.items() if name == "PATH"}
    assert {suffix: cli_environment(environ, suffix) for suffix in SUFFIXES} == {
        suffix: others | form for suffix, form in forms.items()
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_state_keeps_its_form(store: Store, suffix: str) -> None:
    store.write(key(suffix), compress(document(resources=[]), suffix))
    store.write(layout.META, layout.META_CONTENT)
    begun = observe(store, PROJECT, STACK)
    file = StateFile(store, PROJECT, STACK)
    assert file.read() is not None
    file.write_latest({"resources": [{"urn": "urn:one"}]})
    file.add_history(RECORD)
    remember(store, PROJECT, STACK, begun)

    assert [*checkpoints.stacks_in(store, PROJECT)] == [STACK]
    found = checkpoints.find(store, PROJECT, STACK)
    assert found is not None
    assert found.key == key(suffix)
    assert json.loads(decompress(found.raw)) == json.loads(document(resources=[{"urn": "urn:one"}]))
    backup = store.read(layout.backup_of(key(suffix)))
    assert backup is not None
    assert decompress(backup.content) == document(resources=[])
    assert {suffix_of(entry.key) for entry in store.entries(layout.history(PROJECT, STACK))} == {suffix}
    assert [update.result for update in updates_of(store, PROJECT, STACK, 5)] == ["succeeded"]
    assert observe(store, PROJECT, STACK).overwritten is None

    other = StateFile(store, PROJECT, STACK)
    with pytest.raises(OverwrittenError):
        other.write("{}")  # it was never read, so it must not exist
    file.delete()
    assert checkpoints.find(store, PROJECT, STACK) is None
    assert store.entries(layout.STACKS) == []


def test_ambiguous_or_unsupported_states_are_rejected(store: Store) -> None:
    for suffix in SUFFIXES:
        store.write(key(suffix), compress(document(), suffix))
    with pytest.raises(StoreError, match=r"has two states for"):
        checkpoints.find(store, PROJECT, STACK)
    for suffix in SUFFIXES:
        store.delete(key(suffix))
    assert read_checkpoint(store, PROJECT, STACK) is None

    store.write(key(ZSTD), compress(document(), ZSTD)[:-3])
    with pytest.raises(StoreError, match="cannot be decompressed"):
        checkpoints.find(store, PROJECT, STACK)
    store.delete(key(ZSTD))

    store.write(f"{layout.STACKS}{STACK}.json.gz", compress(document(), GZIP))
    for look in (lambda: checkpoints.find(store, PROJECT, STACK), lambda: checkpoints.stacks_in(store, PROJECT)):
        with pytest.raises(StoreError, match="pulumi state upgrade"):
            look()
    store.write(layout.META, b"version: 0\n")
    with pytest.raises(StoreError, match="pulumi state upgrade"):
        checkpoints.stacks_in(store, PROJECT)
    store.write(layout.META, layout.META_CONTENT)
    assert checkpoints.stacks_in(store, PROJECT) == {}, "what the CLI ignores"
    for later in (b"version: 2\n", b"nonsense"):
        store.write(layout.META, later)
        with pytest.raises(StoreError, match=r"meta\.yaml"):
            checkpoints.find(store, PROJECT, STACK)
