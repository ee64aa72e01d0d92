"""A fingerprint stays the same for what means the same, and differs for everything else."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.canonical_json import canonical, digest
from ops.state.fingerprint import Fingerprint, fingerprint
from pulumi_state.values import SECRET_SIGNATURE, SIGNATURE_KEY

_SECRETS = {"one": "first-secret", "two": "first-secret", "three": "second-secret"}
"""Ciphertexts, two of them of the same secret."""


def _encrypted(ciphertext: str) -> dict[str, Any]:
    return {SIGNATURE_KEY: SECRET_SIGNATURE, "ciphertext": ciphertext}


def _deployment() -> dict[str, Any]:
    return {
        "manifest": {"time": "2026-01-01T00:00:00Z"},
        "resources": [
            {
                "urn": "urn:pulumi:dev::snu::a:b:C::one",
                "type": "a:b:C",
                "custom": True,
                "id": "1",
                "inputs": {"size": 1, "env": {"KEY": _encrypted("one"), "PLAIN": "text"}, "__defaults": []},
                "outputs": {"size": 1.0, "list": [1, 2]},
                "dependencies": ["urn:x", "urn:y"],
                "propertyDependencies": {"size": ["urn:y", "urn:x"], "env": None},
                "created": "2026-01-01T00:00:00Z",
                "sourcePosition": "project:///main.py#1",
            },
            {"urn": "urn:pulumi:dev::snu::a:b:C::two", "type": "a:b:C", "custom": True, "id": "2"},
        ],
    }


def _of(deployment: dict[str, Any]) -> Fingerprint:
    return fingerprint(deployment, _SECRETS.__getitem__)


def _same(change: Any) -> None:
    deployment = _deployment()
    change(deployment)
    assert _of(deployment).digest == _of(_deployment()).digest


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it["manifest"].update(time="2027-01-01T00:00:00Z"),
        lambda it: it["resources"][0].update(modified="2027-01-01T00:00:00Z", created="2027", sourcePosition="x"),
        lambda it: it["resources"].reverse(),
        lambda it: it["resources"][0]["dependencies"].reverse(),
        lambda it: it["resources"][0]["propertyDependencies"].pop("env"),
        lambda it: it["resources"][0]["inputs"]["env"].update(KEY=_encrypted("two")),
        lambda it: it["resources"][0]["outputs"].update(size=1),
        lambda it: it["resources"][1].update(protect=False, parent="", inputs={}),
    ],
)
def test_what_means_the_same(change: Any) -> None:
    _same(change)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda it: it["resources"][0]["inputs"].update(size=2), "changed in the state: inputs.size"),
        (lambda it: it["resources"][0]["inputs"]["env"].update(KEY=_encrypted("three")), "inputs.env.KEY"),
        (lambda it: it["resources"][0].update(id="3"), "changed in the state: id"),
        (lambda it: it["resources"][0].update(protect=True), "protect"),
        (lambda it: it["resources"][0]["outputs"].update(list=[2, 1]), "outputs.list[0], outputs.list[1]"),
        (lambda it: it["resources"].pop(0), "was removed from the state"),
        (
            lambda it: it.update(pending_operations=[{"type": "creating", "resource": it["resources"][0]}]),
            "is pending (creating)",
        ),
    ],
)
def test_what_does_not(change: Any, says: str) -> None:
    deployment = _deployment()
    change(deployment)
    before, after = _of(_deployment()), _of(deployment)
    assert before.digest != after.digest
    (found,) = before.differences(after).values()
    assert says in found
    assert "secret" not in found


def test_nothing_of_the_state_can_be_read_in_it() -> None:
    text = json.dumps(_of(_deployment()).resources)
    for word in ("first-secret", '"text"'):
        assert word not in text


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(_VALUES, st.randoms(use_true_random=False))
def test_the_order_of_keys_and_floats_do_not_matter(value: Any, shuffle: random.Random) -> None:
    def otherwise(item: Any) -> Any:
        if isinstance(item, dict):
            keys = list(item)
            shuffle.shuffle(keys)
            return {key: otherwise(item[key]) for key in keys}
        if isinstance(item, list):
            return [otherwise(each) for each in item]
        return float(item) if isinstance(item, int) and not isinstance(item, bool) else copy.copy(item)

    assert canonical(otherwise(value)) == canonical(value)


@given(_VALUES, _VALUES)
def test_other_values_have_other_digests(one: Any, other: Any) -> None:
    assert (digest(one) == digest(other)) == (canonical(one) == canonical(other))
    assert digest(one, b"key") != digest(one)
