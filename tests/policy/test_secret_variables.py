"""How well secrets in plain variables are found: rates on made-up variables, and time on hostile values."""

from __future__ import annotations

import time

import pytest

from benchmarks.secrets import false_alarms_in, missed_in
from policy.secret_variables import is_secret_name, reason
from tests.policy.variables import HARMLESS, HOSTILE

MISSED = {"first": 1, "second": 6}
"""What was reached: `scripts/bench secrets` names them."""
FALSE_ALARMS = {"first": 1, "second": 0}


@pytest.mark.parametrize("half", HOSTILE)
def test_no_more_secrets_are_missed(half: str) -> None:
    missed = missed_in(HOSTILE[half])
    assert len(missed) <= MISSED[half], missed


@pytest.mark.parametrize("half", HARMLESS)
def test_no_more_harmless_values_are_refused(half: str) -> None:
    alarms = false_alarms_in(HARMLESS[half])
    assert len(alarms) <= FALSE_ALARMS[half], alarms


def test_the_variables_are_many_and_all_different() -> None:
    for kind in (HOSTILE, HARMLESS):
        variables = [variable for half in kind.values() for variable in half]
        assert len(variables) >= 200
        assert len({name for name, _ in variables}) == len(variables)
        assert min(map(len, kind.values())) >= 100


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MOT_DE_PASSE", True),
        ("motDePasseSmtp", True),
        ("MOT_DE_PASSE_LONGUEUR", False),
        ("CLE_API", True),
        ("CLE_PUBLIQUE", False),
        ("MOTS_CLES", False),
        ("APIKey", True),
        ("TOKENIZER", False),
        ("TOKEN", True),
        ("PASS_CULTURE", False),
        ("SMTP_PASS", True),
        ("SECRETARIAT_EMAIL", False),
        ("BUCKET_KEY_PREFIX", False),
        ("MONKEY", False),
        ("MONKEY_API_KEY", True),
    ],
)
def test_names(name: str, expected: bool) -> None:
    assert is_secret_name(name) is expected


@pytest.mark.parametrize(("value", "expected"), [("$DB_PASSWORD", False), ("${PW}", False), ("$ecret-in-lyon", True)])
def test_a_placeholder_is_no_secret(value: str, expected: bool) -> None:
    assert (reason("DB_PASSWORD", value) is not None) is expected


@pytest.mark.parametrize(
    "value",
    [
        "password=",
        "x://",
        "machine ",
        "sk-",
        "[",
        '{"a":',
        "aws",
        "-----BEGIN ",
        "eyJ",
        "A1b",
        "//a:_auth",
        "Basic ",
        "?sig",
    ],
)
def test_no_value_takes_long(value: str) -> None:
    """Processor time, which nobody else uses up."""
    started = time.process_time()
    reason("HARMLESS", value * (1_000_000 // len(value)))
    assert time.process_time() - started < 5
