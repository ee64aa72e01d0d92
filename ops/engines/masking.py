"""Masks secrets from an engine's environment in its output."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote

from pulumi_state.errors import PulumiError
from pulumi_state.passphrase import passphrase_from
from pulumi_state.values import REDACTED
from pulumi_state.variables import BACKEND_URL

_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PULUMI_ACCESS_TOKEN", "SCW_SECRET_KEY")
_SHORTEST = 6
"""Minimum length of a masked value; shorter ones may occur in ordinary words. Credentials in URLs are always masked."""


class Mask:
    """Replaces the secrets of an environment with ``[secret]``."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """``environ``: the environment of the process whose output is masked."""
        secrets = [secret for secret in _secrets(environ) if len(secret) >= _SHORTEST]
        forms = {form for secret in (*secrets, *_logins(environ)) for form in _forms(secret)}
        self._pattern = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True)))) if forms else None

    def text(self, text: str) -> str:
        return self._pattern.sub(REDACTED, text) if self._pattern else text

    def value(self, value: Any) -> Any:
        """A JSON value with all its strings masked."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        return value


def _secrets(environ: Mapping[str, str]) -> Iterator[str]:
    yield from (environ.get(name, "") for name in _VARIABLES)
    yield from (login.partition(":")[2] for login in _logins(environ))
    with suppress(PulumiError):
        yield passphrase_from(environ)


def _logins(environ: Mapping[str, str]) -> Iterator[str]:
    """``user:password`` in the backend's address. The password may contain characters that should have been encoded."""
    login, _, _ = environ.get(BACKEND_URL, "").partition("://")[2].partition("?")[0].rpartition("@")
    if ":" in login:
        yield login


def _forms(secret: str) -> Iterator[str]:
    """The forms in which a program may print a secret: verbatim, URL-encoded, or as JSON."""
    for plain in {secret, unquote(secret)}:
        yield from (plain, quote(plain), quote(plain, safe=""))
        yield from (json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1])
