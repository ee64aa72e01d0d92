"""Where a stack's state belongs, and how it is reached, without a Scaleway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import Stack
from ops.state.backend import BackendKind, backend_of
from ops.state.backend_document import BackendDocument
from ops.state.backend_environment import backend_environment
from ops.state.bucket import Storage, ensure_bucket
from ops.state.published_outputs import PUBLISHED, publish
from pulumi_state.store import open_store

LOCAL, REAL = {"scaleway:apiUrl": "http://127.0.0.1:1"}, {"scaleway:organizationId": "org"}
FOUNDATION = {"snu:blueprint": "foundation", "snu:project": {"name": "ci"}}
ENVIRONMENT = {"snu:blueprint": "environment", "snu:environment": {"name": "staging", "foundation": "foundation-x"}}


def stack(config: dict[str, Any]) -> Stack:
    return Stack(Path("/nowhere"), "s", config, "passphrase")


@pytest.mark.parametrize(
    ("config", "kind", "secret"),
    [
        ({**LOCAL, **FOUNDATION}, BackendKind.FILE, ""),
        ({**LOCAL, **ENVIRONMENT}, BackendKind.FILE, ""),
        (
            {**LOCAL, **FOUNDATION, "snu:state": {"backend": "bucket"}},
            BackendKind.FOUNDATION,
            "snu-foundation-ci-state",
        ),
        ({**REAL, **FOUNDATION}, BackendKind.FOUNDATION, "snu-foundation-ci-state"),
        ({**REAL, **ENVIRONMENT}, BackendKind.ENVIRONMENT, "snu-staging-state"),
        (
            {**REAL, **ENVIRONMENT, "snu:environment": {"name": "pr-1", "previewOf": "ci", "foundation": "f"}},
            BackendKind.ENVIRONMENT,
            "snu-ci-state",
        ),
        (REAL, BackendKind.UNKNOWN, ""),
        ({**REAL, "snu:blueprint": "environment", "snu:environment": "odd"}, BackendKind.UNKNOWN, ""),
    ],
)
def test_where_a_state_belongs(config: dict[str, Any], kind: BackendKind, secret: str) -> None:
    place = backend_of(stack(config))
    assert (place.kind, place.secret) == (kind, secret)


def test_a_bucket_of_another_name() -> None:
    assert backend_of(stack({**REAL, **FOUNDATION})).bucket == "snu-state-ci"
    named = {**REAL, **FOUNDATION, "snu:state": {"bucket": "mine"}}
    assert backend_of(stack(named)).bucket == "mine"


def test_a_bucket_of_somebody_else_is_neither_used_nor_changed(httpserver: HTTPServer) -> None:
    """Bucket names are unique across all customers."""
    httpserver.expect_request("/mine").respond_with_data(status=403)
    with pytest.raises(
        OpsError, match=r"The bucket mine exists, but .* cannot access it.*snu:state\.bucket"
    ) as refused:
        ensure_bucket(Storage(httpserver.url_for("/"), "fr-par", ("fake", "fake")), "mine")
    assert refused.value.code is ExitCode.ENVIRONMENT
    assert {request.method for request, _ in httpserver.log} == {"HEAD"}


def test_no_folder_for_a_real_stack() -> None:
    with pytest.raises(OpsError, match="allowed only for stacks on the local Scaleway") as raised:
        backend_of(stack({**REAL, **FOUNDATION, "snu:state": {"backend": "file"}}))
    assert raised.value.code is ExitCode.SETTINGS


def test_without_a_key_nothing_can_be_asked() -> None:
    with pytest.raises(OpsError, match="Set SCW_ACCESS_KEY and SCW_SECRET_KEY") as raised:
        backend_environment(stack({**REAL, **ENVIRONMENT}), {})
    assert raised.value.code is ExitCode.ENVIRONMENT


def test_a_scaleway_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.scaleway.client.RETRY_SECONDS", ())
    config = {**LOCAL, **ENVIRONMENT, "snu:state": {"backend": "foundation"}}
    with pytest.raises(
        OpsError, match=r"could not be read: The local Scaleway did not respond to GET .*local start"
    ) as raised:
        backend_environment(stack(config), {"SCW_SECRET_KEY": "hush-hush"})
    assert "hush" not in str(raised.value)


# --- documents --------------------------------------------------------------------------------------------


def document(**changes: Any) -> BackendDocument:
    values = {
        "backend_url": SecretStr("postgres://user:hush-hush@db.test/state"),
        "passphrase": SecretStr("hush-hush"),
    }
    return BackendDocument(**(values | changes))


def test_a_document_shows_nothing_and_is_read_as_it_was_written() -> None:
    made = document(access_key="SCWFAKE", secret_key=SecretStr("hush-hush"))
    assert "hush" not in f"{made} {made!r} {made.address}"
    assert BackendDocument.parse(made.text(), "it") == made


def test_what_an_engine_gets() -> None:
    database = document().environment(("own", "key"))
    assert set(database) == {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"}
    url = SecretStr("s3://bucket?endpoint=https://s3.test")
    own = document(backend_url=url).environment(("own", "key"))
    assert (own["AWS_ACCESS_KEY_ID"], own["AWS_SECRET_ACCESS_KEY"]) == ("own", "key")
    its = document(backend_url=url, access_key="its", secret_key=SecretStr("s")).environment(("own", "key"))
    assert its["AWS_ACCESS_KEY_ID"] == "its"


# --- what is published ------------------------------------------------------------------------------------

OUTPUTS = {"projectId": "p", "secretIds": {"ci": "s"}, "backendUrls": {"ci": "hush-hush"}, "deploySecretKey": "hush"}


def test_nothing_secret_is_published(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}", {})
    assert publish(store, "snu", "foundation-ci", OUTPUTS)
    assert not publish(store, "snu", "foundation-ci", OUTPUTS)
    assert publish(store, "snu", "foundation-ci", {**OUTPUTS, "projectId": "q"})
    item = store.read(".pulumi/stacks/snu/foundation-ci.json")
    assert item is not None
    assert b"hush" not in item.content
    assert not {"backendUrls", "backendKeys", "deploySecretKey"} & set(PUBLISHED)


def test_a_whole_state_is_left_alone(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}", {})
    publish(store, "snu", "foundation-ci", OUTPUTS)
    key = ".pulumi/stacks/snu/foundation-ci.json"
    item = store.read(key)
    assert item is not None
    whole = item.content.replace(b'"resources": [', b'"resources": [{"type": "other", "urn": "u", "custom": true}, ')
    store.write(key, whole)
    with pytest.raises(OpsError, match="has a state for foundation-ci with 2 resources"):
        publish(store, "snu", "foundation-ci", OUTPUTS)
    found = store.read(key)
    assert found is not None
    assert found.content == whole
