"""How many made-up secrets in plain variables the policies find, and how many harmless values they take for one."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measure import Session
from policy.secret_variables import reason
from tests.policy.variables import HARMLESS, HOSTILE, Variables


def run(_session: Session) -> None:
    for half in HOSTILE:
        missed, alarms = missed_in(HOSTILE[half]), false_alarms_in(HARMLESS[half])
        print(f"{half} half: {_rate(missed, HOSTILE[half])} missed, {_rate(alarms, HARMLESS[half])} false alarms")
        for what, names in (("missed", missed), ("false alarms", alarms)):
            if names:
                print(f"  {what}: {', '.join(names)}")


def missed_in(hostile: Variables) -> list[str]:
    """Names of the variables with a secret that is not found."""
    return [name for name, value in hostile if reason(name, value) is None]


def false_alarms_in(harmless: Variables) -> list[str]:
    """Names of the variables without a secret that are refused."""
    return [name for name, value in harmless if reason(name, value) is not None]


def _rate(names: Sequence[str], variables: Variables) -> str:
    return f"{len(names)} of {len(variables)} ({len(names) / len(variables):.1%})"
