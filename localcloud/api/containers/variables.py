"""Environment variables and secret environment variables of containers and namespaces.

Responses contain an argon2id hash instead of each secret value; clients compare it with the desired value. The value
itself is stored in the vault, for the runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from argon2 import PasswordHasher

from localcloud.api.request import ApiRequest
from localcloud.api.validation import Problems
from scaleway_facts import limits
from scaleway_facts.fact import Limit

SECRET_VARIABLES = "vault.containers.secret_variables"  # noqa: S105 - a kind, not a secret
"""Store kind that maps ids of containers and namespaces to their secret variables in plain text."""

_HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, hash_len=16, salt_len=8)
"""The weakest parameters that clients accept: values are stored in plain text anyway, and a deployment hashes dozens of
them."""


_COUNTS: Mapping[str, Limit] = {
    "environment_variables": limits.VARIABLES,
    "secret_environment_variables": limits.SECRET_VARIABLES,
}


def check_counts(container: Mapping[str, Any], namespace: Mapping[str, Any], problems: Problems) -> None:
    """Check the combined number of variables of a container and its namespace."""
    for argument, limit in _COUNTS.items():
        count = len({*container.get(argument, ()), *namespace.get(argument, ())})
        if not limit.allows(count):
            problems.add(argument, f"must have at most {limit.most} variables, including those of its namespace")


def _check_names(argument: str, variables: Mapping[str, str], problems: Problems) -> None:
    for name in variables:
        if not name or "=" in name or "\0" in name:
            problems.add(argument, "a variable name must not be empty or contain an equals sign")
        elif name == limits.RESERVED_VARIABLE or name.startswith(limits.RESERVED_VARIABLE_PREFIX):
            problems.add(argument, f"{name} is reserved by the platform")


def check_plain(variables: Mapping[str, str], problems: Problems) -> None:
    _check_names("environment_variables", variables, problems)
    for name, value in variables.items():
        if not limits.VARIABLE_VALUE.allows(len(value)):
            problems.add("environment_variables", f"{name} must be at most {limits.VARIABLE_VALUE.most} characters")


def check_secret(variables: Mapping[str, str], problems: Problems, *, existing: Mapping[str, str]) -> None:
    """``existing``: variables for which an empty value means "unchanged"."""
    _check_names("secret_environment_variables", variables, problems)
    for name, value in variables.items():
        if not value and name not in existing:
            problems.add("secret_environment_variables", f"{name} must not be empty")
        elif not limits.SECRET_VARIABLE_VALUE.allows(len(value.encode())):
            most = limits.SECRET_VARIABLE_VALUE.most
            problems.add("secret_environment_variables", f"{name} must be at most {most} bytes")


def store_secret(
    request: ApiRequest, owner_id: str, variables: Mapping[str, str], hashes: Mapping[str, str]
) -> dict[str, str]:
    """Store secret variables and return their hashes. ``""`` keeps the existing value; absent variables are removed."""
    stored = request.store.get(SECRET_VARIABLES, owner_id)
    old: dict[str, str] = stored["values"] if stored else {}
    values = {name: value or old[name] for name, value in variables.items()}
    request.store.put(SECRET_VARIABLES, owner_id, {"id": owner_id, "values": values})
    return {name: _HASHER.hash(value) if value else hashes[name] for name, value in variables.items()}


def delete_secret(request: ApiRequest, owner_id: str) -> None:
    request.store.delete(SECRET_VARIABLES, owner_id)
