"""Keys that secrets have: wherever a run is killed, the next one leaves one key for each application, which works."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from infra import naming
from infra.settings import FoundationSettings, load
from ops.application_keys import ApplicationKeys, KeyHolder
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.client import Client, ScalewayError
from ops.state.account import Account, Secret, SecretVersion
from ops.state.backend_document import BackendDocument, KeyPair
from ops.stored_keys import KeyInspection, StoredKeys, outdated_keys, store_alerts_access, store_release_key
from tests.support.committed_stacks import config_of
from tests.support.mocks import NOWHERE

APPLICATION, SECRET = naming.alerts_application("ci"), naming.alerts_secret("ci")
SETTINGS = cast(FoundationSettings, load("foundation-ci", config_of("foundation-ci"), NOWHERE))
ACCESS = {"logsToken": "token", "bucket": "b"}
OUTPUTS = {"projectId": "p", "alertsAccess": {"ci": ACCESS}}


class Killed(BaseException):
    pass


@dataclass
class Cloud:
    """IAM and Secret Manager with one application and its secret, for as many changes as a run lives."""

    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: list[bytes] = field(default_factory=list)
    left: int | None = None
    application: str = APPLICATION
    secret: str = SECRET
    _number: Iterator[int] = field(default_factory=itertools.count)

    def _change(self) -> None:
        if self.left == 0:
            raise Killed
        if self.left is not None:
            self.left -= 1

    def list(self, call: Any, query: Any = None) -> Iterable[dict[str, Any]]:
        match call.key:
            case "api_keys":
                return [*self.keys.values()]
            case "applications":
                return [{"name": self.application, "id": "a"}]
        return [{"name": "snu-ci", "id": "p"}]

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._change()
        access_key = f"SCW{next(self._number)}"
        self.keys[access_key] = {"access_key": access_key, **body}
        return {"access_key": access_key, "secret_key": f"secret-of-{access_key}"}

    def delete(self, path: str) -> None:
        self._change()
        self.keys.pop(path.rpartition("/")[2], None)

    def secrets_named(self, name: str, project_id: str) -> Sequence[Secret]:
        return [Secret("s", name, project_id)] if name == self.secret else []

    def content(self, secret: Secret) -> bytes | None:
        return self.versions[-1] if self.versions else None

    def write(self, secret: Secret, content: bytes) -> None:
        self._change()
        self.versions.append(content)

    @property
    def stored(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.versions[-1])
        return found

    def handed_out(self, day: str | None = None) -> ApplicationKeys:
        return ApplicationKeys(SETTINGS.model_copy(update={"api_keys_expire_on": day}), cast(Client, self))

    def run(self, *, rotate: bool = False, day: str | None = None, left: int | None = None) -> None:
        self.left = left
        keys = StoredKeys(self.handed_out(day), lambda *_: None, rotate)
        store_alerts_access(cast(Account, self), keys, "ci", OUTPUTS, "p")

    def is_outdated(self, day: str | None = None, outputs: Mapping[str, Any] = OUTPUTS) -> bool:
        holders = [KeyHolder(APPLICATION, "looks for crashes", SECRET), KeyHolder("other", "deploys")]
        return [*outdated_keys(cast(Account, self), self.handed_out(day), holders, outputs)] == [SECRET]


runs = st.fixed_dictionaries(
    {
        "rotate": st.booleans(),
        "day": st.sampled_from([None, "2030-01-01", "2031-01-01"]),
        "left": st.none() | st.integers(0, 4),
    }
)


@given(st.lists(runs, max_size=5))
def test_the_secret_always_has_a_key_that_works_and_in_the_end_the_only_one(killed: list[dict[str, Any]]) -> None:
    cloud = Cloud()
    for each in killed:
        with suppress(Killed):
            cloud.run(**each)
        assert not cloud.versions or cloud.stored["accessKey"] in cloud.keys
    cloud.run(day="2031-01-01")
    assert [*cloud.keys] == [cloud.stored["accessKey"]]
    assert cloud.keys[cloud.stored["accessKey"]]["expires_at"] == "2031-01-01T00:00:00Z"
    assert cloud.stored.items() >= ACCESS.items()
    versions, keys = [*cloud.versions], {**cloud.keys}
    assert not cloud.is_outdated("2031-01-01")
    cloud.run(day="2031-01-01")
    assert (cloud.versions, cloud.keys) == (versions, keys)


def test_a_key_that_a_state_has_is_replaced() -> None:
    """Also without the output that a program of before does not have: the rest of the secret stays."""
    cloud = Cloud()
    former = cloud.post("", {"application_id": "a", "description": "Crash alerts of ci"})
    document = {"logsToken": "token", "accessKey": former["access_key"], "secretKey": former["secret_key"]}
    cloud.write(Secret("s", SECRET, "p"), json.dumps(document).encode())
    assert cloud.is_outdated()
    keys = StoredKeys(cloud.handed_out(), lambda *_: None)
    store_alerts_access(cast(Account, cloud), keys, "ci", {"projectId": "p"}, "p")
    assert former["access_key"] not in cloud.keys
    assert cloud.stored["logsToken"] == "token"
    assert cloud.stored["accessKey"] in cloud.keys


@pytest.mark.parametrize(
    ("changed", "is_outdated"),
    [({}, False), ({"logsToken": "another"}, True), ({"accessKey": "SCWGONE"}, True), (None, False)],
)
def test_what_a_run_would_change_is_outdated(changed: dict[str, str] | None, is_outdated: bool) -> None:
    """Where there is no version yet, the program itself warns."""
    cloud = Cloud()
    if changed is not None:
        cloud.run()
        cloud.write(Secret("s", SECRET, "p"), json.dumps(cloud.stored | changed).encode())
    assert cloud.is_outdated() is is_outdated


@pytest.mark.parametrize("login", ["", "former-application:former-secret@"])
def test_a_key_is_the_login_of_a_database_and_never_stands_in_the_address_of_a_bucket(login: str) -> None:
    bucket = "s3://state?endpoint=http://127.0.0.1:1&region=fr-par"
    key = KeyPair("SCW1", "secret")
    for url, wanted in (
        (f"postgres://{login}db.example.test:5432/state?sslmode=require", "postgres://a:secret@db.example.test:5432/"),
        (bucket, bucket),
    ):
        document = BackendDocument(backend_url=SecretStr(url), passphrase=SecretStr("p")).with_key("a", key)
        assert document.url.startswith(wanted)
        assert "former" not in document.url
        assert BackendDocument.parse(document.text(), "").key == key


def test_without_anything_to_look_at_no_key_is_made() -> None:
    cloud = Cloud()
    keys = StoredKeys(cloud.handed_out(), lambda *_: None)
    with pytest.raises(OpsError, match=r"no output `alertsAccess` yet\. Everything stored so far was kept"):
        store_alerts_access(cast(Account, cloud), keys, "ci", {"projectId": "p"}, "p")
    assert not cloud.keys


def test_the_key_of_release_commands_is_stored_alone_and_replaced_on_request() -> None:
    cloud = Cloud(application=naming.release_application("ci"), secret=naming.release_secret("ci"))
    for rotate, keys in ((False, ["SCW0"]), (False, ["SCW0"]), (True, ["SCW1"])):
        store_release_key(cast(Account, cloud), StoredKeys(cloud.handed_out(), lambda *_: None, rotate), "ci", "p")
        assert [*cloud.keys] == keys
        assert cloud.stored == {"accessKey": keys[0], "secretKey": f"secret-of-{keys[0]}"}
    with pytest.raises(OpsError, match=r"no secret snu-ci-release yet\. Everything stored so far was kept"):
        store_release_key(cast(Account, Cloud()), StoredKeys(cloud.handed_out(), lambda *_: None), "ci", "p")


RELEASE = KeyHolder(naming.release_application("ci"), "runs release commands", naming.release_secret("ci"))


@dataclass
class Stored:
    """The secret of release commands, as the current API key sees it."""

    content_or_error: bytes | ScalewayError | None
    is_visible: bool = True
    is_enabled: bool = True

    def secrets_named(self, name: str, project_id: str) -> Sequence[Secret]:
        return [Secret("s", name, project_id)] if self.is_visible else []

    def content(self, secret: Secret) -> bytes | None:
        if isinstance(self.content_or_error, ScalewayError):
            raise self.content_or_error
        return self.content_or_error

    def versions(self, secret: Secret) -> Sequence[SecretVersion]:
        return [SecretVersion(1, self.is_enabled, datetime.now(UTC), "")]

    def problems(self, *keys: dict[str, Any], expires_on: str | None = None) -> list[tuple[str, bool]]:
        inspection = KeyInspection(cast(Account, self), "p", {RELEASE.application: keys}, expires_on)
        return [
            (each.problem, each.is_missing) for each in inspection.problems([RELEASE, KeyHolder("other", "deploys")])
        ]


def api_key(name: str = "SCW1", expires: str | None = None, description: str = naming.HANDED_OUT_KEY) -> dict[str, Any]:
    return {"access_key": name, "expires_at": expires, "description": description}


CONTENT = json.dumps({"accessKey": "SCW1", "secretKey": "hush-hush"}).encode()
FORBIDDEN = ScalewayError("no", 403, ExitCode.FAILED)
NO_KEY = (f"the secret {RELEASE.secret} contains no valid API key of {RELEASE.application}", True)
NO_VERSION = (f"the secret {RELEASE.secret} has no version", True)
DIFFERS = (f"the secret {RELEASE.secret} does not match the settings", False)
MORE = (f"{RELEASE.application} has keys that the secret {RELEASE.secret} does not contain", False)


@pytest.mark.parametrize(
    ("stored", "keys", "expected"),
    [
        (Stored(CONTENT), [api_key()], []),
        (Stored(None), [api_key()], [NO_VERSION]),
        (Stored(CONTENT), [], [NO_KEY]),
        (Stored(CONTENT), [api_key("SCW2")], [NO_KEY]),
        (Stored(b"hush-hush"), [api_key()], [NO_KEY]),
        (Stored(CONTENT), [api_key(), api_key("SCW2")], [MORE]),
        (Stored(CONTENT), [api_key(expires="2030-01-01T00:00:00Z")], [DIFFERS]),
        (Stored(CONTENT), [api_key(description="manual")], [DIFFERS]),
        (Stored(FORBIDDEN), [api_key()], []),
        (Stored(FORBIDDEN, is_enabled=False), [api_key()], [NO_VERSION]),
        (Stored(FORBIDDEN), [], [NO_KEY]),
        (Stored(FORBIDDEN), [api_key(), api_key("SCW2")], [MORE]),
        (Stored(FORBIDDEN), [api_key(description="manual")], [DIFFERS]),
    ],
)
def test_a_stored_key_is_compared_as_far_as_it_can_be_read(
    stored: Stored, keys: list[dict[str, Any]], expected: list[tuple[str, bool]]
) -> None:
    assert stored.problems(*keys) == expected


def test_secrets_that_are_not_visible_are_not_missing() -> None:
    with pytest.raises(OpsError, match=f"not visible to the current API key: {RELEASE.secret}"):
        Stored(CONTENT, is_visible=False).problems(api_key())
    with pytest.raises(ScalewayError, match="broken"):
        Stored(ScalewayError("broken", 500, ExitCode.FAILED)).problems(api_key())
