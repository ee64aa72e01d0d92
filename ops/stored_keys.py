"""API keys in Secret Manager, where commands and jobs read them.

Each application has one key. A run that is killed after creating a key but before storing it leaves behind a key that
is not in any secret; the next run deletes that key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from infra import naming
from ops.application_keys import ApplicationKeys, KeyHolder, is_current, keys_by_application
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.client import ScalewayError
from ops.state.backend_document import KeyPair

if TYPE_CHECKING:
    from ops.scaleway.client import Object
    from ops.state.account import Account, Secret
    from ops.state.bootstrap import Say

_ACCESS_KEY, _SECRET_KEY = "accessKey", "secretKey"
_FORBIDDEN = 403


@dataclass(frozen=True)
class StoredKeys:
    """The keys of a foundation's applications that are stored in secrets. Requests raise ScalewayError."""

    cloud: ApplicationKeys
    say: Say
    rotate: bool = False
    """Whether to replace current keys as well."""

    def current_or_new(self, application: str, stored: KeyPair | None) -> KeyPair:
        """The ``stored`` key of an application if it is current, otherwise a new one.

        Raises OpsError if the foundation has not created the application.
        """
        key = self.cloud.keys_of(application).get(stored.access_key) if stored else None
        if stored and key and self.cloud.is_current(key) and not self.rotate:
            return stored
        return self.cloud.make(application)

    def others(self, application: str, current: str) -> list[str]:
        """The access keys of the application except the ``current`` one."""
        return [access_key for access_key in self.cloud.keys_of(application) if access_key != current]

    def delete_others(self, application: str, current: str) -> None:
        """Delete every key of the application except the ``current`` one."""
        for access_key in self.others(application, current):
            self.cloud.revoke(access_key)
            self.say(f"application {application}", f"deleted the old key {access_key}")


def store_alerts_access(
    account: Account, keys: StoredKeys, environment: str, outputs: Mapping[str, Any], project_id: str
) -> None:
    """Write the data sources and a key for an environment's crash alerts to the alerts' secret.

    Raises OpsError if the foundation has not created the secret or the application, or lacks the required output.
    """
    secret, known = _existing(account, naming.alerts_secret(environment), project_id)
    access = _access(known, environment, outputs)
    if not access:
        raise _not_deployed("output `alertsAccess`")
    application = naming.alerts_application(environment)
    _store(account, keys, application, secret, known, access, "credentials for crash alerts")


def store_release_key(account: Account, keys: StoredKeys, environment: str, project_id: str) -> None:
    """Write the key that starts release commands to its secret.

    Raises OpsError if the foundation has not created the secret or the application.
    """
    secret, known = _existing(account, naming.release_secret(environment), project_id)
    _store(account, keys, naming.release_application(environment), secret, known, {}, "key for release commands")


def _existing(account: Account, name: str, project_id: str) -> tuple[Secret, dict[str, str]]:
    """A secret with its content. Raises OpsError if the foundation has not created it."""
    found = account.secrets_named(name, project_id)
    if not found:
        raise _not_deployed(f"secret {name}")
    return found[0], _parsed(account.content(found[0]))


def _store(
    account: Account,
    keys: StoredKeys,
    application: str,
    secret: Secret,
    known: Mapping[str, str],
    access: Mapping[str, str],
    content: str,
) -> None:
    """Write ``access`` and the application's key to a secret, and delete the application's other keys.

    ``known``: the secret's content; ``content``: what it is called in messages.
    """
    key = keys.current_or_new(application, _pair(known))
    document = {**access, _ACCESS_KEY: key.access_key, _SECRET_KEY: key.secret_key}
    if document == known:
        keys.say(f"secret {secret.name}", f"exists: contains the {content}")
    else:
        account.write(secret, json.dumps(document).encode())
        keys.say(f"secret {secret.name}", f"updated the {content}")
    keys.delete_others(application, key.access_key)


def _not_deployed(missing: str) -> OpsError:
    return OpsError(
        f"The foundation has no {missing} yet. Everything stored so far was kept. Deploy the foundation "
        "with `scripts/snu up` first.",
        ExitCode.FAILED,
    )


def _pair(known: Mapping[str, str]) -> KeyPair | None:
    return KeyPair(known[_ACCESS_KEY], known[_SECRET_KEY]) if known.keys() >= {_ACCESS_KEY, _SECRET_KEY} else None


@dataclass(frozen=True)
class KeyProblem:
    """A problem with a stored key that `snu keys store` would fix."""

    secret: str
    problem: str
    """A single line without a full stop."""
    is_missing: bool
    """Whether the secret has no key that works; otherwise, the key does not match the settings, or is not the only one.
    """
    has_version: bool = True


@dataclass(frozen=True)
class KeyInspection:
    """Compares stored keys with IAM and with the foundation's settings. Requests raise ScalewayError."""

    account: Account
    project_id: str
    keys: Mapping[str, Sequence[Object]]
    """API keys by application."""
    expires_on: str | None
    """The expiry date in the settings."""
    access: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The content that each secret must have besides the key, by secret."""

    def problems(self, holders: Iterable[KeyHolder]) -> Iterator[KeyProblem]:
        """The problems with stored keys. A secret that the user's key may not read is only checked for a version.

        Raises OpsError if none of the secrets is visible.
        """
        stored = [each for each in holders if each.secret]
        secrets = {each: self.account.secrets_named(each.secret, self.project_id) for each in stored}
        if stored and not any(secrets.values()):
            names = ", ".join(each.secret for each in stored)
            raise OpsError(f"These secrets are not visible to the current API key: {names}.", ExitCode.ENVIRONMENT)
        for holder, found in secrets.items():
            if not found:
                yield KeyProblem(holder.secret, f"the secret {holder.secret} does not exist", True, False)
            elif problem := self._problem(holder, _Stored.read(self.account, found[0])):
                yield problem

    def _problem(self, holder: KeyHolder, stored: _Stored) -> KeyProblem | None:
        secret, keys = holder.secret, {str(key["access_key"]): key for key in self.keys.get(holder.application, ())}
        if not stored.has_version:
            return KeyProblem(secret, f"the secret {secret} has no version", True, False)
        used = [stored.document.get(_ACCESS_KEY, "")] if stored.is_readable else [*keys]
        works = [keys[each] for each in used if each in keys]
        if not works:
            return KeyProblem(secret, f"the secret {secret} contains no valid API key of {holder.application}", True)
        has_access = not stored.is_readable or self.access.get(secret, {}).items() <= stored.document.items()
        if not has_access or not any(is_current(key, self.expires_on) for key in works):
            return KeyProblem(secret, f"the secret {secret} does not match the settings", False)
        if len(keys) > 1:
            return KeyProblem(secret, f"{holder.application} has keys that the secret {secret} does not contain", False)
        return None


@dataclass(frozen=True)
class _Stored:
    """The content of a secret."""

    has_version: bool
    is_readable: bool = True
    """Whether the user's key may read it."""
    document: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, account: Account, secret: Secret) -> Self:
        try:
            text = account.content(secret)
        except ScalewayError as error:
            if error.status != _FORBIDDEN:
                raise
            return cls(any(each.is_enabled for each in account.versions(secret)), is_readable=False)
        return cls(text is not None, document=_parsed(text))


def outdated_keys(
    account: Account, cloud: ApplicationKeys, holders: Iterable[KeyHolder], outputs: Mapping[str, Any]
) -> Iterator[str]:
    """The secrets that `snu keys store` would change, except crash alert secrets that have no version yet."""
    keys = keys_by_application((key for _, key in cloud.existing()), cloud.application_ids)
    access = {naming.alerts_secret(name): each for name, each in (outputs.get("alertsAccess") or {}).items()}
    inspection = KeyInspection(account, cloud.project_id, keys, cloud.expires_on, access)
    for each in inspection.problems(holders):
        if each.has_version or each.secret not in access:
            yield each.secret


def _access(known: Mapping[str, str], environment: str, outputs: Mapping[str, Any]) -> dict[str, str]:
    """The crash alerts' data sources; unchanged if the state predates the output."""
    kept = {key: value for key, value in known.items() if key not in (_ACCESS_KEY, _SECRET_KEY)}
    return {**kept, **(outputs.get("alertsAccess") or {}).get(environment, {})}


def _parsed(text: bytes | None) -> dict[str, str]:
    """The content of a secret; empty if there is no valid version."""
    try:
        content = json.loads(text) if text else {}
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
