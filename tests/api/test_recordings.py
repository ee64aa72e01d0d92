"""Replays recorded requests of real clients, without the clients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.recording import FOLDER, play, written
from tests.support.local_scaleway import Client, Server
from tests.support.seed import OWNER_SECRET_KEY

RECORDINGS = sorted(FOLDER.glob("*.jsonl"))
MAX_BYTES = 1_000_000


@pytest.mark.parametrize("path", RECORDINGS, ids=[path.stem for path in RECORDINGS])
def test_recorded_requests_get_the_same_responses(server: Server, path: Path) -> None:
    assert play(server, path) > 30


def test_recordings_are_small_and_contain_no_local_paths() -> None:
    assert {path.stem for path in RECORDINGS} == {"sdk", "pulumi", "terraform"}
    assert sum(path.stat().st_size for path in RECORDINGS) < MAX_BYTES
    for path in RECORDINGS:
        text = path.read_text()
        for word in ("scaleway.com", "scw.cloud", "/tmp", "/work", "/home", "fake-", OWNER_SECRET_KEY, "127.0.0.1:4"):
            assert word not in text, f"{path.name} has {word}"


def test_recordings_contain_no_secrets_and_can_be_replayed(tmp_path: Path) -> None:
    """Secrets are masked before the server writes the recording."""
    raw = tmp_path / "raw.jsonl"
    secret = "a-value-that-must-stay-hidden"
    with Server(tmp_path / "data", "--record", str(raw)) as server:
        api = server.client()
        namespaces = "/containers/v1/regions/fr-par/namespaces"
        secrets = "/secret-manager/v1beta1/regions/fr-par/secrets"
        namespace = api.create(namespaces, name="n", secret_environment_variables={"A": secret})
        api("PATCH", f"{namespaces}/{namespace['id']}", {"secret_environment_variables": {"A": ""}})
        document = api.create(secrets, name="s")
        api.create(f"{secrets}/{document['id']}/versions", data="YS12YWx1ZS10aGF0LW11c3Qtc3RheS1oaWRkZW4=")
        api("GET", f"{secrets}/{document['id']}/versions/1/access")
        application = api.create("/iam/v1alpha1/applications", name="a")
        key = api.create("/iam/v1alpha1/api-keys", application_id=application["id"])
        api("DELETE", f"{namespaces}/{namespace['id']}")
        text = raw.read_text()
        for hidden in (secret, "YS12YWx1ZS", key["secret_key"], OWNER_SECRET_KEY):
            assert hidden not in text
        assert json.loads(text.splitlines()[1])["request"]["secret_environment_variables"] == {"A": ""}
        recording = tmp_path / "played.jsonl"
        port = int(server.url.rpartition(":")[2])
        recording.write_text("".join(f"{line}\n" for line in written(text.splitlines(), port)))
        _empty(api)
        assert play(server, recording) == 8
    assert "{id1}" in recording.read_text()


def _empty(api: Client) -> None:
    api("POST", "/_local/reset")
