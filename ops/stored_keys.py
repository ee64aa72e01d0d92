"""API keys that are kept in Secret Manager, for the commands and jobs that read them there.

Each application has one key. A secret names the key that it has, so a run that was killed between making a key and
writing it leaves one that no secret names: the next run deletes it.
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
    """The keys of a foundation's applications that secrets have. Requests raise ScalewayError."""

    cloud: ApplicationKeys
    say: Say
    rotate: bool = False
    """Whether keys that could stay are replaced too."""

    def keep_or_make(self, application: str, known: KeyPair | None) -> KeyPair:
        """The key that the application's secret is to have; ``known`` is the one that it has.

        Raises OpsError if the foundation has not made the application.
        """
        found = self.cloud.keys_of(application).get(known.access_key) if known else None
        if known and found and self.cloud.is_current(found) and not self.rotate:
            return known
        return self.cloud.make(application)

    def others(self, application: str, current: str) -> list[str]:
        """The access keys of the application that its secret does not have."""
        return [access_key for access_key in self.cloud.keys_of(application) if access_key != current]

    def delete_others(self, application: str, current: str) -> None:
        """Delete every key of the application but the one that its secret has."""
        for access_key in self.others(application, current):
            self.cloud.revoke(access_key)
            self.say(f"application {application}", f"deleted the key {access_key}, which its secret no longer has")


def store_alerts_access(
    account: Account, keys: StoredKeys, environment: str, outputs: Mapping[str, Any], project_id: str
) -> None:
    """Write what an environment's crash alerts read into their secret, with a key.

    Raises OpsError if the foundation has not made the secret or the application, or does not say what they read.
    """
    name, application = naming.alerts_secret(environment), naming.alerts_application(environment)
    secrets = account.secrets_named(name, project_id)
    known = _content(account, secrets[0]) if secrets else {}
    access = _access(known, environment, outputs)
    if not secrets or not access:
        missing = "output `alertsAccess`" if secrets else f"secret {name}"
        raise OpsError(
            f"There is no {missing} yet: bring the foundation up first. What was stored so far is kept.",
            ExitCode.FAILED,
        )
    pair = KeyPair(known[_ACCESS_KEY], known[_SECRET_KEY]) if known.keys() >= {_ACCESS_KEY, _SECRET_KEY} else None
    key = keys.keep_or_make(application, pair)
    document = {**access, _ACCESS_KEY: key.access_key, _SECRET_KEY: key.secret_key}
    if document == known:
        keys.say(f"secret {name}", "is there: what the crash alerts look at, with a key")
    else:
        account.write(secrets[0], json.dumps(document).encode())
        keys.say(f"secret {name}", "wrote what the crash alerts look at, with a key")
    keys.delete_others(application, key.access_key)


def outdated_keys(
    account: Account, cloud: ApplicationKeys, holders: Iterable[KeyHolder], outputs: Mapping[str, Any]
) -> Iterator[str]:
    """The secrets that `snu keys store` would change, but for those of crash alerts that have no version yet."""
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
            wanted = {**_access(known, environment, outputs), _ACCESS_KEY: keys[0]["access_key"] if keys else ""}
            is_current = is_current and wanted.items() <= known.items()
        if not is_current:
            yield holder.secret


def _access(known: Mapping[str, str], environment: str, outputs: Mapping[str, Any]) -> dict[str, str]:
    """What the crash alerts look at. A state from before the program had that output leaves it as it is."""
    kept = {key: value for key, value in known.items() if key not in (_ACCESS_KEY, _SECRET_KEY)}
    return {**kept, **(outputs.get("alertsAccess") or {}).get(environment, {})}


def _content(account: Account, secret: Secret) -> dict[str, str]:
    """Empty where there is no version that can be read."""
    text = account.content(secret)
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
