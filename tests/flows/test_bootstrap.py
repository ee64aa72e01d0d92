"""From an empty account to a working state store, on the local Scaleway, moto and a real PostgreSQL."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from ops.exit_codes import ExitCode
from pulumi_state.passphrase import Crypter
from pulumi_state.store import Store, open_store
from tests.lab.interruption import Hold, Victim
from tests.lab.keys import OWNER, Key, deploy_key, make_key, use
from tests.lab.lab import Lab, Run
from tests.support.environment import clean_environment
from tests.support.postgres import Server, postgres_server
from tests.support.programs import PULUMI, missing, needs
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
    assert "has an encryptionsalt, so its stack has a passphrase already" in refused.stderr
    assert documents(lab) == {}
    first = bootstrap(lab, PULUMI_CONFIG_PASSPHRASE=_OWN_PASSPHRASE)
    assert first.returncode == ExitCode.OK, first.stdout + first.stderr
    assert "bucket snu-state-local: made it" in refused.stdout
    for words in (
        "bucket snu-state-local-local: made it",
        "state store is complete",
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
    assert set(root["outputs"]) == {"projectId", "registryEndpoints", "secretIds", "alertsSecretIds", "zone"}

    again = bootstrap_ok(lab)
    assert "bucket snu-state-local: is there: private, versioned, encrypted" in again.stdout
    assert "made it" not in again.stdout
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
    assert foundations.returncode == ExitCode.OK  # the owner's key stands in its file
    use(lab, ENVIRONMENT, make_key(lab, "snu-preview-local"))
    assert snu(lab, "preview", ENVIRONMENT, "--engine", "embedded", "--expect-no-changes").returncode == ExitCode.OK
    assert snu(lab, "outputs", ENVIRONMENT).returncode == ExitCode.OK
    unwritten = snu(lab, "up", ENVIRONMENT, "--engine", "embedded", "--yes")
    assert unwritten.returncode == ExitCode.ENVIRONMENT
    assert "the application that deploys it" in unwritten.stderr
    use(lab, FOUNDATION, make_key(lab, "snu-preview-foundation-local"))
    foundations = snu(lab, "preview", FOUNDATION, "--engine", "embedded", "--expect-no-changes")
    assert foundations.returncode == ExitCode.OK, foundations.stdout + foundations.stderr
    use(lab, FOUNDATION, deploy_key(lab, "local"))
    refused = snu(lab, "preview", FOUNDATION, "--engine", "embedded")
    assert refused.returncode == ExitCode.ENVIRONMENT
    assert "sees no secret snu-foundation-local-state" in refused.stderr or "may not read" in refused.stderr


def test_later_ups_of_the_foundation_publish_again(lab: Lab) -> None:
    kept_in_buckets(lab)
    bootstrap_ok(lab)
    environments = yaml.safe_load(lab.project.stack_file(FOUNDATION).read_text())["config"]["snu:environments"]
    settings(lab, FOUNDATION, environments=environments | {"extra": {"database": {"kind": "bucket"}}})
    run = snu(lab, "up", FOUNDATION, "--engine", "embedded", "--yes")
    assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    assert "wrote the outputs of foundation-local that local needs" in run.stdout
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
        assert content(open_store(url, {}), ".pulumi/stacks/snu/local.json")["version"] == 3
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
    assert "the foundation's place for it is s3://snu-state-local-local" in both.stdout
    moved = snu(lab, "state", "move", ENVIRONMENT, "--to", "foundation", "--yes")
    assert moved.returncode == ExitCode.OK, moved.stdout + moved.stderr
    assert "is the same there, secrets included" in moved.stdout
    assert documents(lab)["snu-local-state"]["backendUrl"].startswith("s3://snu-state-local-local?")
    assert "the secret snu-local-state-reader is empty until the next" in moved.stdout
    bootstrap_ok(lab)
    found = documents(lab)
    assert found["snu-local-state-reader"]["backendUrl"] == found["snu-local-state"]["backendUrl"]
    assert found["snu-local-state-reader"]["accessKey"] != found["snu-local-state"]["accessKey"]
    again = snu(lab, "preview", ENVIRONMENT, "--engine", "embedded", "--expect-no-changes")
    assert again.returncode == ExitCode.OK, again.stdout + again.stderr
    history = json.loads(snu(lab, "state", "history", ENVIRONMENT, "--json").stdout)
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
    """`previews` and `preview-ci` of docs/workflows.md, beside both foundations with all their environments."""
    bucket = {"database": {"kind": "bucket"}}
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
    assert "sees no secret snu-local-state. Run `scripts/snu bootstrap foundation-local`" in run.stderr


def test_another_backend_is_refused(lab: Lab) -> None:
    kept_in_buckets(lab)
    bootstrap_ok(lab)
    elsewhere = "postgres://somebody:hush-hush@db.example.test/state"
    for stack in (FOUNDATION, ENVIRONMENT):
        before = lab.journal()
        run = snu(lab, "up", stack, "--engine", "embedded", "--yes", PULUMI_BACKEND_URL=elsewhere)
        assert run.returncode == ExitCode.ENVIRONMENT
        assert "leads to postgres://db.example.test/state" in run.stderr
        assert "is kept in s3://snu-state-local" in run.stderr
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
    assert "the application that deploys it" in run.stderr or "a key that may read it" in run.stderr


@pytest.mark.parametrize("text", [b"", b"{}", b'{"backendUrl": "s3://hush-hush"}', b"hush-hush"])
def test_a_damaged_document(lab: Lab, text: bytes) -> None:
    kept_in_buckets(lab)
    secret = lab.ask("POST", f"{_SECRETS}/secrets", {"name": "snu-local-state", "project_id": ORGANIZATION})
    lab.write_secret(secret["id"], text or b" ")
    run = lab.project.snu("preview", ENVIRONMENT, "--engine", "embedded")
    assert run.returncode == ExitCode.ENVIRONMENT
    assert "The secret snu-local-state is no state document" in run.stderr
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
