"""From an empty account to a working state store, on the local Scaleway, moto and a real PostgreSQL."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
import yaml

from ops.exit_codes import ExitCode
from ops.foundation_secrets import FoundationSecrets
from ops.scaleway.client import Client
from ops.stacks import find_stack
from ops.state import last_run
from ops.state.backend_environment import backend_environment
from ops.state.lock import acquire
from pulumi_state.passphrase import Crypter
from pulumi_state.store import Store, layout, open_store
from tests.lab.interruption import Hold, Victim
from tests.lab.keys import OWNER, Key, deploy_key, make_key, use
from tests.lab.lab import Lab, Run
from tests.support.environment import clean_environment
from tests.support.postgres import Server, postgres_server
from tests.support.programs import PULUMI, missing, needs
from tests.support.pulumi_cli import needs_pulumi
from tests.support.seed import ORGANIZATION, OWNER_SECRET_KEY, SEED
from tests.support.stack_yaml import stack_yaml

__all__ = ["postgres_server"]

FOUNDATION, ENVIRONMENT = "foundation-local", "local"
_SECRETS = "/secret-manager/v1beta1/regions/fr-par"
_OWN_PASSPHRASE = "fake-passphrase-of-the-owner"
_SNU_CI = "1b29c5d9-9723-400a-aa8b-0c85ae3567f7"
"""The real project whose registries production may read; it does not exist on a local Scaleway."""


def settings(lab: Lab, stack: str, **changes: Any) -> None:
    """Change keys of a stack's file, and take its salt away: it was made with the public passphrase."""
    path = lab.project.stack_file(stack)
    document = yaml.safe_load(path.read_text())
    document.pop("encryptionsalt", None)
    document["config"] |= {f"snu:{key}": value for key, value in changes.items()}
    path.write_text(stack_yaml(document))


def kept_in_buckets(lab: Lab) -> None:
    secret = {"initial": {"secret": "snu-local", "project": "default"}}
    environments = {ENVIRONMENT: {"database": {"kind": "bucket"}, "secret": secret}}
    settings(lab, FOUNDATION, state={"backend": "bucket"}, environments=environments)
    settings(lab, ENVIRONMENT, state={"backend": "foundation"})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab.running(tmp_path / "project") as made:
        yield made


def snu(lab: Lab, *arguments: str, **environment: str) -> Run:
    run = lab.project.snu(*arguments, **environment)
    check_silent(lab, run)
    return run


def bootstrap(lab: Lab, stack: str = FOUNDATION, **environment: str) -> Run:
    return snu(lab, "bootstrap", stack, "--engine", "embedded", "--yes", **environment)


def bootstrap_ok(lab: Lab, stack: str = FOUNDATION) -> Run:
    run = bootstrap(lab, stack)
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    return run


def documents(lab: Lab) -> dict[str, dict[str, Any]]:
    """The state documents in Secret Manager, by the name of their secret."""
    found = {}
    for secret in lab.ask("GET", f"{_SECRETS}/secrets?page_size=100")["secrets"]:
        if secret["name"].endswith(("-state", "-state-reader")):
            versions = lab.ask("GET", f"{_SECRETS}/secrets/{secret['id']}/versions")["versions"]
            if not any(each["status"] == "enabled" for each in versions):  # the run was killed before it wrote one
                continue
            answer = lab.ask("GET", f"{_SECRETS}/secrets/{secret['id']}/versions/latest_enabled/access")
            found[secret["name"]] = {
                **json.loads(base64.b64decode(answer["data"])),
                "_project": secret["project_id"],
                "_versions": len(versions),
            }
    return found


def check_silent(lab: Lab, run: Run) -> None:
    """Nothing that opens a state is printed."""
    text = run.stdout + run.stderr
    assert "Traceback" not in text, text
    assert not re.search(r"postgres://[^ ]*:[^ /]*@", text), text
    if lab.project.cloud_answers():
        for document in documents(lab).values():
            for key in ("passphrase", "secretKey"):
                value = document.get(key)
                assert not value or value == OWNER_SECRET_KEY or value not in text


def store_of(lab: Lab, secret: str) -> Store:
    document = documents(lab)[secret]
    keys = {
        "AWS_ACCESS_KEY_ID": document.get("accessKey", "fake"),
        "AWS_SECRET_ACCESS_KEY": document.get("secretKey", "fake"),
    }
    return open_store(document["backendUrl"], keys)


def content(store: Store, key: str) -> dict[str, Any]:
    item = store.read(key)
    assert item is not None, key
    found: dict[str, Any] = json.loads(item.content)
    return found


def test_from_an_empty_account_to_an_environment_that_is_up(lab: Lab) -> None:
    kept_in_buckets(lab)
    needed = snu(lab, "doctor", ENVIRONMENT)
    assert needed.returncode == ExitCode.NOT_READY
    assert "Fix: scripts/snu bootstrap foundation-local" in needed.stdout
    file = lab.project.stack_file(FOUNDATION)
    file.write_text(file.read_text() + f"encryptionsalt: {Crypter.new(_OWN_PASSPHRASE).salt}\n")
    refused = bootstrap(lab)
    assert refused.returncode == ExitCode.ENVIRONMENT
    assert "has an encryptionsalt, so its stack already has a passphrase" in refused.stderr
    assert documents(lab) == {}
    first = bootstrap(lab, PULUMI_CONFIG_PASSPHRASE=_OWN_PASSPHRASE)
    assert first.returncode == ExitCode.OK, first.stdout + first.stderr
    assert "bucket snu-state-local: created" in refused.stdout
    for words in (
        "bucket snu-state-local-local: created",
        "state storage is complete",
    ):
        assert words in first.stdout
    found = documents(lab)
    assert set(found) == {"snu-foundation-local-state", "snu-local-state", "snu-local-state-reader"}
    assert found["snu-foundation-local-state"]["_project"] == ORGANIZATION
    assert found["snu-local-state"]["_project"] != ORGANIZATION
    assert found["snu-foundation-local-state"]["passphrase"] == _OWN_PASSPHRASE
    assert found["snu-local-state"]["passphrase"] != _OWN_PASSPHRASE
    published = content(store_of(lab, "snu-local-state"), ".pulumi/stacks/snu/foundation-local.json")
    (root,) = published["checkpoint"]["latest"]["resources"]
    public = {"projectId", "registryEndpoints", "secretIds", "alertsSecretIds", "zone", "previewNamespaceId"}
    assert set(root["outputs"]) == public

    again = bootstrap_ok(lab)
    assert "bucket snu-state-local: exists: private, versioned, encrypted" in again.stdout
    assert ": created" not in again.stdout
    assert documents(lab) == found
    assert not (lab.project.directory / ".local/state/.pulumi").exists()

    up = snu(lab, "up", ENVIRONMENT, "--engine", "embedded", "--yes", "--skip-preview")
    assert up.returncode == ExitCode.OK, up.stdout + up.stderr
    keys = [entry.key for entry in store_of(lab, "snu-local-state").entries(".pulumi/stacks/")]
    assert ".pulumi/stacks/snu/local.json" in keys
    ready = snu(lab, "doctor", ENVIRONMENT)
    assert ready.returncode == ExitCode.OK, ready.stdout
    use(lab, ENVIRONMENT, deploy_key(lab, "local"))
    assert snu(lab, "preview", ENVIRONMENT, "--engine", "embedded", "--expect-no-changes").returncode == ExitCode.OK
    foundations = snu(lab, "preview", FOUNDATION, "--engine", "embedded")
    assert foundations.returncode == ExitCode.OK  # the owner's key is in its file
    use(lab, ENVIRONMENT, make_key(lab, "snu-preview-local"))
    assert snu(lab, "preview", ENVIRONMENT, "--engine", "embedded", "--expect-no-changes").returncode == ExitCode.OK
    assert snu(lab, "outputs", ENVIRONMENT).returncode == ExitCode.OK
    unwritten = snu(lab, "up", ENVIRONMENT, "--engine", "embedded", "--yes")
    assert unwritten.returncode == ExitCode.ENVIRONMENT
    assert "the deploy application's key" in unwritten.stderr
    use(lab, FOUNDATION, make_key(lab, "snu-preview-foundation-local"))
    foundations = snu(lab, "preview", FOUNDATION, "--engine", "embedded", "--expect-no-changes")
    assert foundations.returncode == ExitCode.OK, foundations.stdout + foundations.stderr
    use(lab, FOUNDATION, deploy_key(lab, "local"))
    refused = snu(lab, "preview", FOUNDATION, "--engine", "embedded")
    assert refused.returncode == ExitCode.ENVIRONMENT
    secret = "the secret snu-foundation-local-state"
    assert f"{secret} is not visible" in refused.stderr or "is not allowed to read" in refused.stderr


def test_later_ups_of_the_foundation_publish_again(lab: Lab) -> None:
    kept_in_buckets(lab)
    bootstrap_ok(lab)
    environments = yaml.safe_load(lab.project.stack_file(FOUNDATION).read_text())["config"]["snu:environments"]
    settings(lab, FOUNDATION, environments=environments | {"extra": {"database": {"kind": "bucket"}}})
    run = snu(lab, "up", FOUNDATION, "--engine", "embedded", "--yes")
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    assert "backend of local: updated the outputs of foundation-local" in run.stdout
    published = content(store_of(lab, "snu-local-state"), ".pulumi/stacks/snu/foundation-local.json")
    assert "extra" in published["checkpoint"]["latest"]["resources"][0]["outputs"]["registryEndpoints"]
    assert "snu-extra-state" not in documents(lab)


@pytest.mark.parametrize(
    ("made", "when"),
    [
        pytest.param(0, "before", id="the bucket is there"),
        pytest.param(0, "after", id="the document's secret too, without a version"),
        pytest.param(1, "after", id="the document too"),
        pytest.param(5, "before", id="some of the foundation too"),
    ],
)
def test_killed_half_way_and_repeated(lab: Lab, made: int, when: str) -> None:
    kept_in_buckets(lab)
    hold = Hold.after(made, lab, method="POST", when=when)
    victim = Victim.start(lab, "bootstrap", FOUNDATION, "--engine", "embedded", "--yes")
    hold.await_request(victim)
    victim.kill()
    lab.clear_faults()
    before = documents(lab).get("snu-foundation-local-state")
    run = bootstrap(lab)
    if run.returncode == ExitCode.INTERRUPTED:
        recovered = snu(lab, "recover", FOUNDATION, "--engine", "embedded", "--yes")
        assert recovered.returncode == ExitCode.OK, recovered.stdout + recovered.stderr
        run = bootstrap(lab)
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    assert before is None or documents(lab)["snu-foundation-local-state"] == before


def test_a_backend_database_on_a_real_postgres(lab: Lab, postgres_server: Server) -> None:
    """Its login is made by Scaleway; here by hand, between two runs: the second goes on where the first stopped."""
    settings(lab, FOUNDATION, state={"backend": "bucket"})
    settings(lab, ENVIRONMENT, state={"backend": "foundation"})
    lab.ask("POST", "/_local/sql-server", {"address": f"{postgres_server.host}:{postgres_server.port}"})
    first = bootstrap(lab)
    assert first.returncode == ExitCode.FAILED
    assert "The backend of local is not usable yet" in first.stderr
    assert "run the same command again" in first.stderr
    url = documents(lab)["snu-local-state"]["backendUrl"]
    user, password = _login(url)
    postgres_server.run(
        f"CREATE ROLE \"{user}\" LOGIN PASSWORD '{password}'", f'CREATE DATABASE "snu-state-local" OWNER "{user}"'
    )
    try:
        bootstrap_ok(lab)
        reader, reader_password = _login(documents(lab)["snu-local-state-reader"]["backendUrl"])
        postgres_server.run(f"CREATE ROLE \"{reader}\" LOGIN PASSWORD '{reader_password}'")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{reader}"')
        up = snu(lab, "up", ENVIRONMENT, "--engine", "embedded", "--yes", "--skip-preview")
        assert up.returncode == ExitCode.OK, up.stdout + up.stderr
        for engine in ("embedded", *(["pulumi"] if not missing(PULUMI) else [])):
            read = snu(lab, "preview", ENVIRONMENT, "--engine", engine, "--expect-no-changes")
            assert read.returncode == ExitCode.OK, read.stdout + read.stderr
        assert content(open_store(url, {}), ".pulumi/stacks/snu/local.json")["version"] == 4
        _move_to_a_bucket(lab)
    finally:
        postgres_server.run('DROP DATABASE "snu-state-local" WITH (FORCE)', f'DROP ROLE "{user}"')


def _login(url: str) -> tuple[str, str]:
    user, _, password = url.removeprefix("postgres://").partition("@")[0].partition(":")
    return user, password


def _move_to_a_bucket(lab: Lab) -> None:
    """The way out of a database that has become too small: the foundation keeps both until the state is over."""
    environments = yaml.safe_load(lab.project.stack_file(FOUNDATION).read_text())["config"]["snu:environments"]
    before = environments[ENVIRONMENT]
    environments[ENVIRONMENT] = {**before, "database": {"kind": "bucket"}, "formerDatabase": before["database"]}
    settings(lab, FOUNDATION, environments=environments)
    both = bootstrap_ok(lab)
    assert "the foundation's backend for it is s3://snu-state-local-local" in both.stdout
    moved = snu(lab, "state", "move", ENVIRONMENT, "--to", "foundation", "--yes")
    assert moved.returncode == ExitCode.OK, moved.stdout + moved.stderr
    assert "verified the copy, including secrets" in moved.stdout
    assert documents(lab)["snu-local-state"]["backendUrl"].startswith("s3://snu-state-local-local?")
    assert "emptied the secret snu-local-state-reader; fill it with" in moved.stdout
    bootstrap_ok(lab)
    found = documents(lab)
    assert found["snu-local-state-reader"]["backendUrl"] == found["snu-local-state"]["backendUrl"]
    assert found["snu-local-state-reader"]["accessKey"] != found["snu-local-state"]["accessKey"]
    again = snu(lab, "preview", ENVIRONMENT, "--engine", "embedded", "--expect-no-changes")
    assert again.returncode == ExitCode.OK, again.stdout + again.stderr
    history = json.loads(snu(lab, "state", "history", ENVIRONMENT, "--json").stdout)["updates"]
    assert [(update["kind"], update["result"]) for update in history] == [("update", "succeeded")]
    del environments[ENVIRONMENT]["formerDatabase"]
    settings(lab, FOUNDATION, environments=environments)
    run = snu(lab, "up", FOUNDATION, "--engine", "embedded", "--yes", "--skip-preview")
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr


def test_a_foundation_with_two_environments(lab: Lab) -> None:
    """As production's was while stage had no project of its own."""
    stack = "foundation-production"
    use(lab, stack, OWNER)
    bucket = {"database": {"kind": "bucket"}}
    settings(lab, stack, state={"backend": "bucket"}, environments={"production": bucket, "staging": bucket})
    bootstrap_ok(lab, stack)
    found = documents(lab)
    states = {"snu-production-state", "snu-staging-state"}
    assert set(found) == {"snu-foundation-production-state", *states, *(f"{each}-reader" for each in states)}
    assert len({document["passphrase"] for document in found.values()}) == 3
    assert len({document.get("accessKey") for document in found.values()}) == 5
    assert found["snu-production-state"]["accessKey"] != found["snu-staging-state"]["accessKey"]
    _check_policies(lab, found)
    bootstrap_ok(lab, stack)
    assert documents(lab) == found


def test_keys_of_pull_requests_open_no_state_but_that_of_ci(lab: Lab) -> None:
    """The keys of `previews` and `preview-ci`, beside both foundations with all their environments."""
    bucket = {"database": {"kind": "bucket"}}
    ci = _SNU_CI
    for stack, name in (
        ("foundation-ci", "ci"),
        ("foundation-stage", "staging"),
        ("foundation-production", "production"),
    ):
        path = lab.project.stack_file(stack)
        projects = lab.ask("GET", "/account/v3/projects")["projects"]
        ci = next((each["id"] for each in projects if each["name"] == "snu-ci"), _SNU_CI)
        path.write_text(path.read_text().replace(_SNU_CI, ci))
        use(lab, stack, OWNER)
        settings(lab, stack, state={"backend": "bucket"}, environments={name: bucket})
        bootstrap_ok(lab, stack)
    every = lab.ask("GET", f"{_SECRETS}/secrets?page_size=100")["secrets"]
    assert {each["name"] for each in every} > {
        "snu-foundation-ci-state",
        "snu-foundation-production-state",
        "snu-ci-state",
        "snu-staging-state",
        "snu-production-state",
    }

    def opened(key: Key) -> set[str]:
        answers = {
            each["name"]: lab.call(
                "GET", f"{_SECRETS}/secrets/{each['id']}/versions/latest_enabled/access", key=key.secret
            )
            for each in every
        }
        assert {answer.status_code for answer in answers.values()} <= {200, 403, 404}
        return {name for name, answer in answers.items() if answer.status_code == 200}

    assert opened(OWNER) > {"snu-foundation-ci-state", "snu-production-state"}
    of_ci = {each["name"] for each in every if each["project_id"] == ci}
    previews, preview_ci = (make_key(lab, name) for name in ("snu-deploy-ci-previews", "snu-preview-ci"))
    assert opened(previews) <= of_ci
    assert opened(previews) >= {"snu-ci-state", "snu-ci-state-reader"}
    assert opened(preview_ci) == {"snu-ci-state-reader"}  # nobody has written the document snu-ci yet
    for key in (previews, preview_ci):
        visible = lab.ask("GET", f"{_SECRETS}/secrets?page_size=100", key=key.secret)["secrets"]
        assert {each["name"] for each in visible} <= of_ci
    published = content(store_of(lab, "snu-ci-state"), ".pulumi/stacks/snu/foundation-ci.json")
    assert "Key" not in json.dumps(published["checkpoint"]["latest"]["resources"])


def _check_policies(lab: Lab, found: dict[str, dict[str, Any]]) -> None:
    """Each bucket lets in its own application, and its owner."""
    from pulumi_state.store.bucket import client

    endpoint = lab.ask("GET", "/_local/object-storage")["url"]
    s3 = client(endpoint, "fr-par", "fake", "fake")
    users = set()
    for environment in ("production", "staging"):
        bucket = f"snu-state-production-{environment}"
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        owner, user, reader = policy["Statement"]
        assert owner["Principal"] == {"SCW": [f"user_id:{SEED.owner.id}"]}
        key = lab.ask("GET", f"/iam/v1alpha1/api-keys/{found[f'snu-{environment}-state']['accessKey']}")
        assert user["Principal"] == {"SCW": [f"application_id:{key['application_id']}"]}
        assert user["Resource"] == [bucket, f"{bucket}/*"]
        reading = lab.ask("GET", f"/iam/v1alpha1/api-keys/{found[f'snu-{environment}-state-reader']['accessKey']}")
        assert reader["Principal"] == {"SCW": [f"application_id:{reading['application_id']}"]}
        assert reader["Action"] == ["s3:ListBucket", "s3:GetObject"]
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        users.add(key["application_id"])
    assert len(users) == 2
    s3.close()


# --- the keys that secrets have ---------------------------------------------------------------------------


STORED = {
    "snu-local-state": ("snu-state-bucket-local", "local-state", "Pulumi's state of local"),
    "snu-local-state-reader": (
        "snu-state-bucket-local-reader",
        "local-state-reader",
        "Reader of Pulumi's state of local",
    ),
    "snu-local-alerts": ("snu-alerts-local", "local-alerts", "Crash alerts of local"),
}
"""Secret → the application whose key it has, and name and description of that key when the program still made it."""
_IAM = "/iam/v1alpha1"


def secret_id(lab: Lab, name: str) -> str:
    return str(lab.find("secret_manager.secret", name)["id"])


def keys_of(lab: Lab, application: str) -> list[str]:
    owner = lab.find("iam.application", application)["id"]
    return [each["access_key"] for each in lab.resources("iam.api_key") if each.get("application_id") == owner]


def check_stored(lab: Lab) -> dict[str, str]:
    """Each secret has the only key of its application, which works; gives the access keys."""
    found = {}
    for name, (application, *_) in STORED.items():
        document = json.loads(lab.read_secret(secret_id(lab, name)))
        assert keys_of(lab, application) == [document["accessKey"]]
        assert lab.call("GET", "/account/v3/projects", key=document["secretKey"]).status_code == 403
        found[name] = document["accessKey"]
    return found


def store_keys(lab: Lab, *, rotate: bool = False) -> None:
    """`snu keys store` in this process, without its lock."""
    stack = find_stack(lab.project.directory, FOUNDATION)
    environ = clean_environment()
    reached = backend_environment(stack, environ)
    with FoundationSecrets.opened(stack, environ, reached, lambda *_: None, rotate=rotate) as secrets:
        secrets.store()


class Killed(BaseException):
    pass


def kill_after(made: int, patch: pytest.MonkeyPatch) -> None:
    """Let a run of `store_keys` end when so many requests have changed something."""
    left = [made]

    def dying(request: Callable[..., Any]) -> Callable[..., Any]:
        def call(client: Client, path: str, *rest: Any, **more: Any) -> Any:
            counts = not path.startswith("/_local/")
            if counts and left[0] == 0:
                raise Killed
            left[0] -= counts
            return request(client, path, *rest, **more)

        return call

    patch.setattr(Client, "post", dying(Client.post))
    patch.setattr(Client, "delete", dying(Client.delete))


def test_keys_that_secrets_have(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boto3.session.Session", cache(boto3.session.Session))  # each loads for 0.2 s
    kept_in_buckets(lab)
    bootstrap_ok(lab)
    _kill_between_requests(lab)
    _keep_former_keys_of_a_locked_state(lab)
    _warn_of_a_changed_access(lab)


def _kill_between_requests(lab: Lab) -> None:
    """After a key was made, and after the other secrets have theirs; tests/ops/test_stored_keys.py has every moment."""
    for made in (1, 7):
        before = check_stored(lab)
        with pytest.MonkeyPatch.context() as patch:
            kill_after(made, patch)
            with pytest.raises(Killed):
                store_keys(lab, rotate=True)
        store_keys(lab)
        after = check_stored(lab)
        kept = [name for name in STORED if after[name] == before[name]]
        assert kept == list(STORED)[{1: 0, 7: 2}[made] :]


def _keep_former_keys_of_a_locked_state(lab: Lab) -> None:
    before = check_stored(lab)
    store = store_of(lab, "snu-local-state")
    store.write(
        layout.checkpoint("snu", ENVIRONMENT), b'{"version": 3, "checkpoint": {"stack": "local", "latest": null}}'
    )
    with acquire(store, "snu", ENVIRONMENT, "a test", timeout=0, on_wait=lambda _: None, on_lost=lambda: None):
        refused = snu(lab, "keys", "store", FOUNDATION, "--rotate")
    assert refused.returncode == ExitCode.FAILED
    assert "The state of local is in use, so its former keys were not deleted" in refused.stderr
    for name, (application, *_) in STORED.items():
        assert (before[name] in keys_of(lab, application)) == ("state" in name)
    stored = snu(lab, "keys", "store", FOUNDATION)
    assert stored.returncode == ExitCode.OK, stored.stderr
    check_stored(lab)


def _warn_of_a_changed_access(lab: Lab) -> None:
    """The token of the logs is another one; the key stays."""
    before = check_stored(lab)
    content = json.loads(lab.read_secret(secret_id(lab, "snu-local-alerts")))
    lab.write_secret(secret_id(lab, "snu-local-alerts"), json.dumps(content | {"logsToken": "former"}).encode())
    up = snu(lab, "up", FOUNDATION, "--engine", "embedded", "--yes", "--skip-preview")
    assert up.returncode == ExitCode.OK, up.stdout + up.stderr
    assert "snu-local-alerts. Run `scripts/snu keys store foundation-local`" in up.stderr
    store_keys(lab)
    assert check_stored(lab) == before
    assert json.loads(lab.read_secret(secret_id(lab, "snu-local-alerts"))) == content
    listed = snu(lab, "keys", "list", FOUNDATION).stdout
    for name, (application, *_) in STORED.items():
        assert re.search(
            rf"^{application}: .*, key stored in the secret {name} \(1 key\)\n  {before[name]},", listed, re.MULTILINE
        )
    refused = snu(
        lab, "keys", "make", FOUNDATION, "snu-alerts-local", "--out", str(lab.project.directory.parent / "out")
    )
    assert refused.returncode == ExitCode.USAGE
    assert "run: scripts/snu keys store foundation-local --rotate" in refused.stderr


@pytest.mark.parametrize("engine", ["embedded", pytest.param("pulumi", marks=needs_pulumi)])
def test_a_foundation_whose_state_has_keys_moves_on(lab: Lab, engine: str) -> None:
    """New keys are in use before the former ones are deleted; what is protected is not for Pulumi to delete."""
    kept_in_buckets(lab)
    settings(lab, FOUNDATION, protect=True)
    bootstrap_ok(lab)
    former = _make_former_keys(lab)
    refused = snu(lab, "up", FOUNDATION, "--engine", "embedded", "--yes")
    assert refused.returncode != ExitCode.OK
    assert "local-alerts-key" in refused.stdout + refused.stderr
    assert check_stored(lab) == former
    stored = snu(lab, "keys", "store", FOUNDATION)
    assert stored.returncode == ExitCode.OK, stored.stderr
    new = check_stored(lab)
    assert not set(new.values()) & set(former.values())
    up = snu(lab, "up", FOUNDATION, "--engine", engine, "--yes")
    assert up.returncode == ExitCode.OK, up.stdout + up.stderr
    assert "keys store" not in up.stdout + up.stderr
    state = content(store_of(lab, "snu-foundation-local-state"), ".pulumi/stacks/snu/foundation-local.json")
    types = {each["type"] for each in state["checkpoint"]["latest"]["resources"]}
    assert "scaleway:iam/apiKey:ApiKey" not in types
    assert not any("alerts-version" in each["urn"] for each in state["checkpoint"]["latest"]["resources"])
    store_keys(lab)
    assert check_stored(lab) == new


def _make_former_keys(lab: Lab) -> dict[str, str]:
    """Keys, versions and a state as they were when the program made the keys; gives the access keys by secret."""
    store = store_of(lab, "snu-foundation-local-state")
    key = ".pulumi/stacks/snu/foundation-local.json"
    state = content(store, key)
    resources = state["checkpoint"]["latest"]["resources"]
    found, document = {}, ""
    for name, (application, part, description) in STORED.items():
        (owner,) = [each for each in resources if each["urn"].endswith(f"::{part}-application")]
        for access_key in keys_of(lab, application):
            lab.ask("DELETE", f"{_IAM}/api-keys/{access_key}")
        inputs = {"applicationId": owner["id"], "defaultProjectId": "", "description": description}
        made = lab.ask("POST", f"{_IAM}/api-keys", {"application_id": owner["id"], "description": description})
        inputs["defaultProjectId"] = made["default_project_id"]
        halves = {"accessKey": made["access_key"], "secretKey": made["secret_key"]}
        document = json.dumps(json.loads(lab.read_secret(secret_id(lab, name))) | halves)
        lab.write_secret(secret_id(lab, name), document.encode())
        urn = owner["urn"].replace("iam/application:Application", "iam/apiKey:ApiKey")
        former = {"urn": urn.replace("-application", "-key"), "type": "scaleway:iam/apiKey:ApiKey", "inputs": inputs}
        outputs = {**inputs, **halves, "id": made["access_key"]}
        resources.append({**owner, **former, "id": made["access_key"], "outputs": outputs})
        found[name] = made["access_key"]
    (holder,) = [each for each in resources if each["urn"].endswith("::local-alerts-secret")]
    revision = lab.ask("GET", f"{_SECRETS}/secrets/{secret_id(lab, name)}/versions/latest")["revision"]
    urn = holder["urn"].replace("secrets/secret:Secret", "secrets/version:Version").replace("-secret", "-version")
    inputs = {"secretId": holder["id"], "data": document}
    former = {"urn": urn, "type": "scaleway:secrets/version:Version", "id": f"{holder['id']}/{revision}"}
    outputs = {**inputs, "data": base64.b64encode(document.encode()).decode(), "revision": str(revision)}
    resources.append({**holder, **former, "protect": False, "inputs": inputs, "outputs": outputs})
    assert "alertsAccess" in resources[0]["outputs"], resources[0]
    del resources[0]["outputs"]["alertsAccess"]
    store.write(key, json.dumps(state).encode())
    last_run.forget(store, "snu", FOUNDATION)
    return found


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stack", "said"),
    [(ENVIRONMENT, "Run `scripts/snu bootstrap foundation-local`"), (FOUNDATION, "keeps its state in a folder")],
)
def test_stacks_that_need_none(lab: Lab, stack: str, said: str) -> None:
    run = bootstrap(lab, stack)
    assert run.returncode == ExitCode.USAGE
    assert said in run.stderr


def test_an_environment_before_its_bootstrap(lab: Lab) -> None:
    kept_in_buckets(lab)
    run = snu(lab, "preview", ENVIRONMENT, "--engine", "embedded")
    assert run.returncode == ExitCode.ENVIRONMENT
    assert "the secret snu-local-state is not visible to the current API key. Create it with" in run.stderr
    assert "`scripts/snu bootstrap foundation-local`" in run.stderr


def test_another_backend_is_refused(lab: Lab) -> None:
    kept_in_buckets(lab)
    bootstrap_ok(lab)
    elsewhere = "postgres://somebody:hush-hush@db.example.test/state"
    for stack in (FOUNDATION, ENVIRONMENT):
        before = lab.journal()
        run = snu(lab, "up", stack, "--engine", "embedded", "--yes", PULUMI_BACKEND_URL=elsewhere)
        assert run.returncode == ExitCode.ENVIRONMENT
        assert "is postgres://db.example.test/state" in run.stderr
        assert f"the state of {stack} is in s3://snu-state-local" in run.stderr
        assert "hush-hush" not in run.stdout + run.stderr
        assert lab.journal() == before
    own = documents(lab)["snu-local-state"]["backendUrl"]
    run = snu(lab, "preview", ENVIRONMENT, "--engine", "embedded", PULUMI_BACKEND_URL=own)
    assert run.returncode == ExitCode.OK, run.stderr


def test_a_key_that_may_not_read_the_document(lab: Lab) -> None:
    """The key of the environment's own state opens no secret."""
    kept_in_buckets(lab)
    bootstrap_ok(lab)
    document = documents(lab)["snu-local-state"]
    use(lab, ENVIRONMENT, Key(document["accessKey"], document["secretKey"]))
    run = snu(lab, "preview", ENVIRONMENT, "--engine", "embedded")
    assert run.returncode == ExitCode.ENVIRONMENT
    assert "snu-local-state" in run.stderr
    assert "the deploy application's key" in run.stderr or "a key that is allowed to read it" in run.stderr


@pytest.mark.parametrize("text", [b"", b"{}", b'{"backendUrl": "s3://hush-hush"}', b"hush-hush"])
def test_a_damaged_document(lab: Lab, text: bytes) -> None:
    kept_in_buckets(lab)
    secret = lab.ask("POST", f"{_SECRETS}/secrets", {"name": "snu-local-state", "project_id": ORGANIZATION})
    lab.write_secret(secret["id"], text or b" ")
    run = lab.project.snu("preview", ENVIRONMENT, "--engine", "embedded")
    assert run.returncode == ExitCode.ENVIRONMENT
    assert "The secret snu-local-state is not a valid backend document" in run.stderr
    assert "hush-hush" not in run.stderr


# --- the real CLI -----------------------------------------------------------------------------------------


@needs("pulumi", "pulumi-language-python")
def test_the_cli_reads_what_is_published(lab: Lab, tmp_path: Path) -> None:
    kept_in_buckets(lab)
    bootstrap_ok(lab)
    document = documents(lab)["snu-local-state"]
    folder = tmp_path / "reader"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: snu\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "__main__.py").write_text(
        "import pulumi\n"
        "foundation = pulumi.StackReference('foundation-local')\n"
        "pulumi.export('found', foundation.require_output('projectId'))\n"
        "pulumi.export('none', foundation.get_output('deploySecretKey'))\n"
    )
    environment = clean_environment(
        PULUMI_HOME=str(folder / ".home"),
        PULUMI_BACKEND_URL=document["backendUrl"],
        PULUMI_CONFIG_PASSPHRASE=document["passphrase"],
        PULUMI_SKIP_UPDATE_CHECK="true",
        AWS_ACCESS_KEY_ID=document["accessKey"],
        AWS_SECRET_ACCESS_KEY=document["secretKey"],
        PATH=os.pathsep.join([os.environ["PATH"], str(Path(sys.executable).parent)]),
    )
    for arguments in (["stack", "init", "reader"], ["up", "--yes", "--skip-preview", "--stack", "reader"]):
        ended = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    shown = subprocess.run(
        ["pulumi", "stack", "output", "--json", "--stack", "reader"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    published = content(store_of(lab, "snu-local-state"), ".pulumi/stacks/snu/foundation-local.json")
    project_id = published["checkpoint"]["latest"]["resources"][0]["outputs"]["projectId"]
    assert json.loads(shown.stdout)["found"] == project_id
