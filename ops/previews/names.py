"""Names of preview environments, computed by pure functions: a pull request or branch always gets the same name."""

from __future__ import annotations

import hashlib
import re

from infra import naming
from scaleway_facts.limits import CONTAINER_NAME

_PULL_REQUEST = r"pr-[1-9][0-9]*"
_BRANCH = r"br-(?:[a-z0-9]+-)*[0-9a-f]{8}"
_PREVIEW = re.compile(f"{_PULL_REQUEST}|{_BRANCH}")
_WORKLOAD = re.compile(f"({_PULL_REQUEST}|{_BRANCH})-[a-z][a-z0-9-]*")
"""Greedy, to match the longest possible environment name."""
_NO_CI = re.compile(r"no-ci-.*|.*-no-ci|.*-no-ci-.*", re.DOTALL)
_HASH_DIGITS = 8
_LONGEST = CONTAINER_NAME.most - len("-a")
_SHORTEST_LIMIT = len("br-") + _HASH_DIGITS


def longest_name(apps: list[str]) -> int:
    """Maximum length of an environment name in characters. Raises ValueError if an app name makes it too short."""
    left = CONTAINER_NAME.most - 1 - max(map(len, apps), default=1)
    if left < _SHORTEST_LIMIT:
        raise ValueError(
            f"the app name {max(apps, key=len)} is too long: container names are limited to {CONTAINER_NAME.most} "
            f"characters, which leaves {left} for the preview environment name; it needs at least {_SHORTEST_LIMIT}"
        )
    return left


def of_pull_request(number: int, longest: int) -> str:
    """``pr-12``. Raises ValueError if the number is not positive or is too long."""
    name = f"pr-{number}"
    if number < 1 or len(name) > longest:
        raise ValueError(f"{number} is not a pull request number")
    return name


def of_branch(branch: str, longest: int) -> str:
    """``br-<slug>-<hash>``, or ``br-<hash>`` if the branch name has no characters that are allowed in the slug.

    The hash covers the whole branch name, so branches with the same slug have different hashes.
    """
    slug = re.sub(r"[^a-z0-9-]", "", branch.lower().replace("_", "-"))
    slug = re.sub(r"-+", "-", slug).strip("-")
    slug = slug[: max(0, longest - _SHORTEST_LIMIT - 1)].strip("-")
    digits = hashlib.sha256(branch.encode(errors="surrogatepass")).hexdigest()[:_HASH_DIGITS]
    return f"br-{slug}-{digits}" if slug else f"br-{digits}"


def is_preview(name: str) -> bool:
    """Whether this is a preview environment's name; nothing else may use such a name."""
    return len(name) <= _LONGEST and _PREVIEW.fullmatch(name) is not None


def pull_request_of(name: str) -> int | None:
    """The number in ``pr-<number>``; None for branch environments."""
    return int(name.removeprefix("pr-")) if re.fullmatch(_PULL_REQUEST, name) else None


def of_workload(name: str) -> str | None:
    """The preview environment that is part of a container's or job's name; None if there is none."""
    match = _WORKLOAD.fullmatch(name)
    return match[1] if match and is_preview(match[1]) else None


def of_secret(secret: str) -> str | None:
    """The preview environment that is part of a secret's name; None if there is none."""
    name = secret.removeprefix(naming.secret(""))
    return name if naming.secret(name) == secret and is_preview(name) else None


def is_no_ci(branch: str) -> bool:
    """Whether a branch name opts out of a preview environment."""
    return _NO_CI.fullmatch(branch.lower().replace("_", "-")) is not None
