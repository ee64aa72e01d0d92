"""Rotations: wherever they are killed, the key that is stored works, and the next run completes them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from infra import naming
from infra.settings import FoundationSettings, load
from ops.application_keys import ApplicationKeys
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub
from ops.plans.waiting import WaitingPlan
from ops.process_environment import IDENTITY, SIGNING_KEY
from ops.rotation import passphrase as passphrases
from ops.rotation.deploy_key import STORED, STORING, DeployKeyRotation, GitHubEnvironment, KeyFiles, verify_with
from ops.rotation.passphrase import PassphraseRotation
from ops.rotation.plan_keys import PlanKeyRotation
from ops.scaleway.client import Client
from ops.scaleway.profile import Profile
from ops.stacks import find_stack
from ops.state.backend_document import BackendDocument, KeyPair
from ops.state.checkpoint import Secrets, read_checkpoint
from pulumi_state import passphrase as passphrase_module
from pulumi_state.passphrase import Crypter
from pulumi_state.store import layout
from pulumi_state.values import SECRET_SIGNATURE, SIGNATURE_KEY
from tests.support.committed_stacks import config_of
from tests.support.fake_server import FakeServer, json_response
from tests.support.github import TOKEN, FakeGitHub, hub
from tests.support.memory_store import MemoryStore
from tests.support.mocks import NOWHERE

__all__ = ["hub"]

APPLICATION = naming.deploy_application("ci")
SETTINGS = cast(FoundationSettings, load("foundation-ci", config_of("foundation-ci"), NOWHERE))


class Killed(BaseException):
    pass


@dataclass
class Life:
    """How many more changes a run lives for."""

    left: int | None = None

    def change(self) -> None:
        if self.left == 0:
            raise Killed
        if self.left is not None:
            self.left -= 1


# --- deploy keys ------------------------------------------------------------------------------------------


@dataclass
class Iam:
    """The keys of one application."""

    life: Life
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    _number: Iterator[int] = field(default_factory=itertools.count)

    def list(self, call: Any, query: Any = None) -> Iterable[dict[str, Any]]:
        match call.key:
            case "api_keys":
                return [*self.keys.values()]
            case "applications":
                return [{"name": APPLICATION, "id": "a"}]
        return [{"name": "snu-ci", "id": "p"}]

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.life.change()
        access_key = f"SCW{next(self._number)}"
        self.keys[access_key] = {"access_key": access_key, **body}
        return {"access_key": access_key, "secret_key": f"secret-of-{access_key}"}

    def patch(self, path: str, body: Mapping[str, Any]) -> None:
        self.life.change()
        self.keys[path.rpartition("/")[2]].update(body)

    def delete(self, path: str) -> None:
        self.life.change()
        self.keys.pop(path.rpartition("/")[2], None)


@dataclass
class Place:
    name: str
    life: Life
    stored: KeyPair
    refusing: bool = False

    def check(self) -> None:
        if self.refusing:
            raise OpsError("no access", ExitCode.FAILED)

    def store(self, key: KeyPair) -> None:
        self.check()
        self.life.change()
        self.stored = key


@dataclass
class Deployment:
    """An application whose key is stored in two places."""

    life: Life = field(default_factory=Life)
    verified: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.iam = Iam(self.life)
        first = self.keys.make(APPLICATION)
        self.places = [Place("one", self.life, first), Place("other", self.life, first)]
        self.keys.make(APPLICATION)  # somebody's

    @property
    def keys(self) -> ApplicationKeys:
        return ApplicationKeys(SETTINGS, cast(Client, self.iam))

    def rotation(self, *, keeps_former: bool = False) -> DeployKeyRotation:
        return DeployKeyRotation(
            self.keys, APPLICATION, self.places, lambda key: self.verified.append(key.access_key), lambda *_: None,
            keeps_former,
        )  # fmt: skip

    def run(self, left: int | None = None, *, keeps_former: bool = False) -> str:
        self.life.left = left
        return self.rotation(keeps_former=keeps_former).run()


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=4))
def test_a_stored_key_always_works_and_is_the_only_one_in_the_end(kills: list[tuple[int, bool]]) -> None:
    deployment = Deployment()
    for left, keeps_former in kills:
        with suppress(Killed):
            deployment.run(left, keeps_former=keeps_former)
        for place in deployment.places:
            assert place.stored.access_key in deployment.iam.keys
            assert place.stored.secret_key == f"secret-of-{place.stored.access_key}"
    current = deployment.run()
    assert [*deployment.iam.keys] == [current]
    assert {place.stored.access_key for place in deployment.places} == {current}
    assert deployment.iam.keys[current]["description"] == naming.HANDED_OUT_KEY
    assert current in deployment.verified


def test_a_key_that_was_stored_everywhere_is_not_replaced_again() -> None:
    deployment = Deployment()
    with suppress(Killed):
        deployment.run(left=4)  # made, stored twice and marked
    (stored,) = [name for name, key in deployment.iam.keys.items() if key["description"] == STORED]
    assert deployment.run() == stored


def test_a_place_that_refuses_is_found_before_a_key_is_created() -> None:
    deployment = Deployment()
    deployment.places[1].refusing = True
    before = {**deployment.iam.keys}
    with pytest.raises(OpsError, match="no access"):
        deployment.run()
    assert deployment.iam.keys == before


def test_former_keys_stay_until_the_new_one_works() -> None:
    deployment = Deployment()
    before = {*deployment.iam.keys}

    def refuse(key: KeyPair) -> None:
        raise OpsError("It does not work.", ExitCode.FAILED)

    rotation = deployment.rotation()
    broken = DeployKeyRotation(rotation.keys, APPLICATION, deployment.places, refuse, lambda *_: None)
    with pytest.raises(OpsError, match="The former keys were not deleted and still work"):
        broken.run()
    (new,) = {*deployment.iam.keys} - before
    assert deployment.iam.keys[new]["description"] == STORING
    assert new not in (deployment.run(),)
    assert len(deployment.iam.keys) == 1


def test_former_keys_can_be_kept() -> None:
    deployment = Deployment()
    before = {*deployment.iam.keys}
    current = deployment.rotation(keeps_former=True).run()
    assert {*deployment.iam.keys} == before | {current}
    assert {key["description"] for key in deployment.iam.keys.values()} == {naming.HANDED_OUT_KEY}


def test_secrets_of_a_github_environment(hub: FakeGitHub) -> None:
    hub.environments = {"stage": {"SCW_ACCESS_KEY"}}
    place = GitHubEnvironment(GitHub(hub.repository, TOKEN), "stage", "SCW")
    place.check()
    place.store(KeyPair("SCWNEW", "hush-hush"))
    assert hub.secrets == {("stage", "SCW_ACCESS_KEY"): "SCWNEW", ("stage", "SCW_SECRET_KEY"): "hush-hush"}
    assert not any(b"hush-hush" in request.get_data() for request, _ in hub.log)
    hub.may_read_secrets = False
    for refused in (place.check, lambda: place.store(KeyPair("SCWNEW", "hush-hush"))):
        with pytest.raises(OpsError, match=r"403\)") as error:
            refused()
        assert "hush-hush" not in str(error.value)
    hub.may_read_secrets = True
    missing = GitHubEnvironment(GitHub(hub.repository, TOKEN), "nowhere", "SCW")
    with pytest.raises(OpsError, match=r"404\)"):
        missing.check()


def test_key_files_are_replaced_and_private(tmp_path: Path) -> None:
    place = KeyFiles(tmp_path / "keys", APPLICATION)
    for number in range(2):
        place.check()
        place.store(KeyPair(f"SCW{number}", f"secret-{number}"))
    assert (tmp_path / "keys" / f"{APPLICATION}.secret-key").read_text() == "secret-1\n"
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert len([*(tmp_path / "keys").iterdir()]) == 2


@pytest.mark.parametrize(("statuses", "works"), [([200], True), ([401, 401, 200], True), ([403], True), ([401], False)])
def test_a_new_key_may_take_a_while_to_work(statuses: list[int], works: bool) -> None:
    with FakeServer() as server:
        for status in statuses[:-1]:
            server.expect_oneshot_request(re.compile(".*")).respond_with_response(json_response(status, {}))
        server.expect_request(re.compile(".*")).respond_with_response(json_response(statuses[-1], {}))
        profile = Profile("stage", server.url, True, "former", "SCWFORMER", "o", "p", "fr-par")
        verify = verify_with(profile, sleep=lambda _: None)
        if works:
            verify(KeyPair("SCWNEW", "hush-hush"))
        else:
            with pytest.raises(OpsError, match="The new key SCWNEW does not work") as error:
                verify(KeyPair("SCWNEW", "hush-hush"))
            assert "hush-hush" not in str(error.value)


# --- passphrases ------------------------------------------------------------------------------------------

PROJECT, STACKS = "snu", ("ci", "pr-1")
OLD = "former-passphrase"


@dataclass
class DyingStore(MemoryStore):
    """Ends a run at one of its changes, and all that it still tries to do."""

    life: Life = field(default_factory=Life)

    def write(self, key: str, content: bytes, expected: str | None = None) -> str:
        self.life.change()
        return super().write(key, content, expected)

    def delete(self, key: str, expected: str | None = None) -> None:
        self.life.change()
        super().delete(key, expected)


@dataclass
class FakeDocuments:
    life: Life
    written: list[BackendDocument]

    def read(self) -> BackendDocument:
        return self.written[-1]

    def write(self, passphrase: SecretStr, next_passphrase: SecretStr) -> None:
        wanted = self.written[-1].model_copy(update={"passphrase": passphrase, "next_passphrase": next_passphrase})
        if wanted != self.written[-1]:
            self.life.change()
            self.written.append(wanted)


@dataclass
class Backend:
    """Two states with a secret each, and a file for the first of them."""

    folder: Path
    life: Life = field(default_factory=Life)

    def __post_init__(self) -> None:
        self.store = DyingStore(life=self.life)
        document = BackendDocument(backend_url=SecretStr("memory"), passphrase=SecretStr(OLD))
        self.documents = FakeDocuments(self.life, [document])
        self.store.write(layout.META, layout.META_CONTENT)
        for stack in STACKS:
            self.write_state(stack, Crypter.new(OLD))
        published = {"version": 3, "checkpoint": {"stack": "foundation-ci", "latest": {"resources": []}}}
        self.store.write(layout.checkpoint(PROJECT, "foundation-ci"), json.dumps(published).encode())
        (self.folder / "Pulumi.yaml").write_text("name: snu\nruntime: python\n")

    def write_state(self, stack: str, crypter: Crypter) -> None:
        secret = {SIGNATURE_KEY: SECRET_SIGNATURE, "ciphertext": crypter.encrypt_text(json.dumps(f"value of {stack}"))}
        resource = {"urn": f"urn:pulumi:{stack}::snu::t::n", "type": "t", "outputs": {"list": [{"deep": secret}]}}
        provider = {"type": "passphrase", "state": {"salt": crypter.salt}}
        latest = {"secrets_providers": provider, "resources": [resource]}
        document = {"version": 3, "checkpoint": {"stack": f"organization/snu/{stack}", "latest": latest}}
        self.store.write(layout.checkpoint(PROJECT, stack), json.dumps(document).encode())
        if stack == "ci":
            secure = crypter.encrypt_text("of the file")
            config = f"config:\n  snu:nested:\n    key: {{secure: '{secure}'}}\n"
            text = f"# A comment.\nencryptionsalt: {crypter.salt}\n{config}"
            (self.folder / "Pulumi.ci.yaml").write_text(text)

    def run(self, left: int | None = None) -> None:
        self.life.left = left
        try:
            PassphraseRotation(self.store, PROJECT, self.folder, self.documents, lambda *_: None).run(["ci"])
        finally:
            self.life.left = None
            if left is not None:  # the process is gone, and so are its locks
                for key in [each for each in self.store.objects if "lock" in each]:
                    del self.store.objects[key]

    def check(self, passphrase: str) -> None:
        """Everything opens with this passphrase and has its value."""
        secrets = Secrets({"PULUMI_CONFIG_PASSPHRASE": passphrase})
        for stack in STACKS:
            checkpoint = read_checkpoint(self.store, PROJECT, stack)
            assert checkpoint is not None
            assert checkpoint.salt is not None
            secret = checkpoint.latest["resources"][0]["outputs"]["list"][0]["deep"]
            assert secrets.decrypt_with(checkpoint.salt)(secret["ciphertext"]) == f"value of {stack}"
            if stack == "ci":
                file = find_stack(self.folder, "ci")
                assert file.salt == checkpoint.salt
                secure = file.config["snu:nested"]["key"]["secure"]
                assert Crypter.open(passphrase, file.salt).decrypt_text(secure) == "of the file"
                assert file.file.read_text().startswith("# A comment.\n")


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.setattr(passphrase_module, "_ITERATIONS", 10)
    return Backend(tmp_path)


def test_a_passphrase_that_is_replaced(backend: Backend) -> None:
    backend.run()
    document = backend.documents.read()
    assert document.passphrase.get_secret_value() != OLD
    assert document.next_passphrase.get_secret_value() == ""
    backend.check(document.passphrase.get_secret_value())
    assert [key for key in backend.store.objects if "locks/" in key and "snu" not in key] == []


def test_a_passphrase_rotation_that_is_killed_at_each_step(backend: Backend) -> None:
    """Each round kills a rotation later than the one before, and completes it."""
    for left in itertools.count():
        former = backend.documents.read().passphrase.get_secret_value()
        try:
            backend.run(left)
        except Killed:
            pass
        else:
            break
        planned = backend.documents.read().next_passphrase.get_secret_value()
        backend.run()
        document = backend.documents.read()
        assert document.next_passphrase.get_secret_value() == ""
        if planned:
            assert document.passphrase.get_secret_value() == planned  # the one that some states already had
        assert document.passphrase.get_secret_value() != former
        backend.check(document.passphrase.get_secret_value())
    assert left > 10


def test_a_state_with_another_passphrase_is_refused_before_anything_is_changed(backend: Backend) -> None:
    backend.write_state("pr-1", Crypter.new("somebody else's"))
    before = {key: value for key, (value, _) in backend.store.objects.items() if "stacks/" in key}
    with pytest.raises(OpsError, match="The state of pr-1 is not encrypted with either passphrase in"):
        backend.run()
    assert {key: value for key, (value, _) in backend.store.objects.items() if "stacks/" in key} == before
    assert len(backend.documents.written) == 1


def test_a_stack_that_is_created_meanwhile_keeps_the_rotation_open(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    encrypt = passphrases.encrypted_again

    def create(*arguments: Any) -> Any:
        monkeypatch.undo()
        monkeypatch.setattr(passphrase_module, "_ITERATIONS", 10)
        backend.write_state("pr-2", Crypter.new(OLD))
        return encrypt(*arguments)

    monkeypatch.setattr(passphrases, "encrypted_again", create)
    with pytest.raises(OpsError, match="created with the former passphrase during the rotation: pr-2"):
        backend.run()
    assert backend.documents.read().next_passphrase.get_secret_value()
    backend.run()
    backend.check(backend.documents.read().passphrase.get_secret_value())


def test_a_locked_stack_is_refused(backend: Backend) -> None:
    from ops.state.lock import acquire

    with (
        acquire(backend.store, PROJECT, "pr-1", "a test", timeout=0, on_wait=lambda _: None, on_lost=lambda: None),
        pytest.raises(OpsError, match="pr-1 is locked"),
    ):
        backend.run()
    assert len(backend.documents.written) == 1


# --- plan keys --------------------------------------------------------------------------------------------


@dataclass
class Plans:
    """A stack with plan keys, and what is known of its plans."""

    folder: Path
    life: Life = field(default_factory=Life)
    waiting: list[WaitingPlan] = field(default_factory=list)
    committed: bool = True
    stored: dict[str, str] = field(default_factory=dict)
    """Private keys by secret."""

    def __post_init__(self) -> None:
        (self.folder / "Pulumi.yaml").write_text("name: snu\nruntime: python\n")
        (self.folder / "Pulumi.stage.yaml").write_text(
            "config:\n  snu:plans:\n    planners: {ci: former, alice: hers}\n    appliers: {deploy: former}\n"
        )

    def run(self, left: int | None = None) -> bool:
        self.life.left = left
        out = self.folder / "keys"
        out.mkdir(exist_ok=True)
        return PlanKeyRotation(
            find_stack(self.folder, "stage"), out, "ci", "deploy", self._store, lambda: self.committed,
            lambda: self.waiting, lambda *_: None,
        ).run()  # fmt: skip

    def _store(self, secret: str, path: Path) -> None:
        self.life.change()
        self.stored[secret] = path.read_text()

    @property
    def public(self) -> Mapping[str, Mapping[str, str]]:
        found: Mapping[str, Mapping[str, str]] = find_stack(self.folder, "stage").config["snu:plans"]
        return found


@pytest.fixture
def plans(tmp_path: Path) -> Plans:
    return Plans(tmp_path)


NOTE = WaitingPlan(
    "p", "sha256:0123456789abcdef", "ann", "2026-01-01T00:00:00+00:00", "2030-01-02T03:04:05+00:00", "c" * 40, []
)


def test_plan_keys_are_replaced_in_steps(plans: Plans) -> None:
    assert plans.run() is False
    assert plans.public["planners"].keys() == {"ci", "ci-2", "alice"}
    assert plans.public["appliers"].keys() == {"deploy", "deploy-2"}
    assert plans.stored == {}
    plans.committed = False
    assert plans.run() is False
    assert plans.stored == {}
    plans.committed, plans.waiting = True, [NOTE]
    with pytest.raises(OpsError, match="The former keys of stage remain valid") as refused:
        plans.run()
    assert "by ann, until 2030-01-02 03:04 UTC" in str(refused.value)
    assert "scripts/snu plan discard stage" in str(refused.value)
    assert plans.stored.keys() == {SIGNING_KEY}
    plans.waiting = []
    assert plans.run() is True
    assert plans.public["planners"].keys() == {"ci-2", "alice"}
    assert plans.public["appliers"].keys() == {"deploy-2"}
    assert plans.stored.keys() == {SIGNING_KEY, IDENTITY}
    names = {"stage-plan-signing.key", "stage-plan-identity.key"}
    assert {path.name for path in (plans.folder / "keys").iterdir()} == names
    assert plans.run() is False  # the next rotation
    assert plans.public["planners"].keys() == {"ci-2", "ci-3", "alice"}


def dying(function: Callable[..., Any], life: Life) -> Callable[..., Any]:
    def call(*arguments: Any, **more: Any) -> Any:
        life.change()
        return function(*arguments, **more)

    return call


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(kills=st.lists(st.integers(0, 8), max_size=4))
def test_killed_rotations_of_plan_keys_are_completed(
    tmp_path_factory: pytest.TempPathFactory, kills: list[int]
) -> None:
    plans = Plans(tmp_path_factory.mktemp("plans"))
    with pytest.MonkeyPatch.context() as patch:
        from ops import stack_file
        from ops.plans import keys
        from ops.rotation import plan_keys

        patch.setattr(keys, "write_private", dying(keys.write_private, plans.life))
        patch.setattr(plan_keys, "edit", dying(stack_file.edit, plans.life))
        patch.setattr(Path, "replace", dying(Path.replace, plans.life))
        finished = False
        for left in kills:
            with suppress(Killed):
                finished = plans.run(left) or finished
        while not finished or any(path.name.endswith(".next.key") for path in (plans.folder / "keys").iterdir()):
            finished = plans.run() or finished
    for secret, part in ((SIGNING_KEY, "signing"), (IDENTITY, "identity")):
        assert plans.stored[secret] == (plans.folder / "keys" / f"stage-plan-{part}.key").read_text()
    assert "former" not in {*plans.public["planners"].values(), *plans.public["appliers"].values()}
    assert "alice" in plans.public["planners"]
    assert {len(plans.public["planners"]), len(plans.public["appliers"]) + 1} == {2}
