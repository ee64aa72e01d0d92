"""API keys in Secret Manager, where commands and jobs read them.

Each application has one key. A run that is killed after creating a key but before storing it leaves behind a key that
is not in any secret; the next run deletes that key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra import naming
from ops.application_keys import ApplicationKeys, KeyHolder
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.state.backend_document import KeyPair

if TYPE_CHECKING:
    from ops.scaleway.client import Object
    from ops.state.account import Account, Secret
    from ops.state.bootstrap import Say

_ACCESS_KEY, _SECRET_KEY = "accessKey", "secretKey"


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
    name, application = naming.alerts_secret(environment), naming.alerts_application(environment)
    secrets = account.secrets_named(name, project_id)
    known = _content(account, secrets[0]) if secrets else {}
    access = _access(known, environment, outputs)
    if not secrets or not access:
        raise _not_deployed("output `alertsAccess`" if secrets else f"secret {name}")
    key = keys.current_or_new(application, _pair(known))
    document = {**access, _ACCESS_KEY: key.access_key, _SECRET_KEY: key.secret_key}
    if document == known:
        keys.say(f"secret {name}", "exists: contains access for the crash alerts")
    else:
        account.write(secrets[0], json.dumps(document).encode())
        keys.say(f"secret {name}", "updated the access for the crash alerts")
    keys.delete_others(application, key.access_key)


def store_release_key(account: Account, keys: StoredKeys, environment: str, project_id: str) -> None:
    """Write the key that starts release commands to its secret.

    Raises OpsError if the foundation has not created the secret or the application.
    """
    name, application = naming.release_secret(environment), naming.release_application(environment)
    secrets = account.secrets_named(name, project_id)
    if not secrets:
        raise _not_deployed(f"secret {name}")
    known = _content(account, secrets[0])
    key = keys.current_or_new(application, _pair(known))
    document = {_ACCESS_KEY: key.access_key, _SECRET_KEY: key.secret_key}
    if document == known:
        keys.say(f"secret {name}", "exists: contains the key for release commands")
    else:
        account.write(secrets[0], json.dumps(document).encode())
        keys.say(f"secret {name}", "updated the key for release commands")
    keys.delete_others(application, key.access_key)


def _not_deployed(missing: str) -> OpsError:
    return OpsError(
        f"The foundation has no {missing} yet. Everything stored so far was kept. Run `scripts/snu up` on the "
        "foundation first.",
        ExitCode.FAILED,
    )


def _pair(known: Mapping[str, str]) -> KeyPair | None:
    return KeyPair(known[_ACCESS_KEY], known[_SECRET_KEY]) if known.keys() >= {_ACCESS_KEY, _SECRET_KEY} else None


def outdated_keys(
    account: Account, cloud: ApplicationKeys, holders: Iterable[KeyHolder], outputs: Mapping[str, Any]
) -> Iterator[str]:
    """The secrets that `snu keys store` would change, except crash alert secrets that have no version yet."""
    by_application: dict[str, list[Object]] = {}
    for application_id, key in cloud.existing():
        by_application.setdefault(application_id, []).append(key)
    access = {naming.alerts_secret(name): name for name in outputs.get("alertsAccess") or {}}
    for holder in holders:
        if not holder.secret:
            continue
        keys = by_application.get(cloud.application_ids.get(holder.application, ""), [])
        is_current = len(keys) == 1 and cloud.is_current(keys[0])
        if environment := access.get(holder.secret):
            found = account.secrets_named(holder.secret, cloud.project_id)
            known = _content(account, found[0]) if found else {}
            if not known:
                continue
            expected = {**_access(known, environment, outputs), _ACCESS_KEY: keys[0]["access_key"] if keys else ""}
            is_current = is_current and expected.items() <= known.items()
        if not is_current:
            yield holder.secret


def _access(known: Mapping[str, str], environment: str, outputs: Mapping[str, Any]) -> dict[str, str]:
    """The crash alerts' data sources; unchanged if the state predates the output."""
    kept = {key: value for key, value in known.items() if key not in (_ACCESS_KEY, _SECRET_KEY)}
    return {**kept, **(outputs.get("alertsAccess") or {}).get(environment, {})}


def _content(account: Account, secret: Secret) -> dict[str, str]:
    """The content of a secret; empty if there is no valid version."""
    text = account.content(secret)
    try:
        content = json.loads(text) if text else {}
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
