"""From an empty account to a working state store: each step looks first, does what is missing, and says so."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from infra import naming
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import LOCAL_PASSPHRASE, Stack, find_stack, project_name, settings_of, stack_names
from ops.state.account import Account
from ops.state.backend import BackendKind, StateBackend, backend_of
from ops.state.backend_connection import connect
from ops.state.backend_document import BackendDocument
from ops.state.backend_lookup import find_document
from ops.state.bucket import Storage, ensure_bucket
from ops.state.published_outputs import publish
from pulumi_state import stack_reader
from pulumi_state.errors import PulumiError
from pulumi_state.passphrase import Crypter
from pulumi_state.state_file import StateFile
from pulumi_state.store import StoreError, open_store
from pulumi_state.values import unwrap
from pulumi_state.variables import BACKEND_URL, PASSPHRASE

if TYPE_CHECKING:
    from infra.settings import FoundationSettings

Say = Callable[[str, str], None]
"""Told what a step is about, and what it found or did."""

_PASSPHRASE_BYTES = 32


@dataclass
class Bootstrap:
    """The state store of one foundation."""

    stack: Stack
    place: StateBackend
    settings: FoundationSettings
    account: Account
    environ: Mapping[str, str]
    """The user's, before any stack's own passphrase was set."""
    say: Say

    @classmethod
    def of(cls, stack: Stack, environ: Mapping[str, str], say: Say) -> Bootstrap:
        """Raises OpsError when the stack is no foundation, or keeps its state in a folder, or no key is known."""
        from infra.settings import FoundationSettings

        settings = settings_of(stack)
        if not isinstance(settings, FoundationSettings):
            raise OpsError(
                f"{stack.name} is an environment: its foundation's bootstrap makes what its state needs. Run "
                f"`scripts/snu bootstrap {settings.environment.foundation}`.",
                ExitCode.USAGE,
            )
        place = backend_of(stack)
        if place.kind is not BackendKind.FOUNDATION:
            raise OpsError(
                f"{stack.name} keeps its state in a folder of this checkout, and so needs no bootstrap. Say "
                f"`backend: bucket` in snu:state of {stack.file.name} to keep it in object storage.",
                ExitCode.USAGE,
            )
        return cls(stack, place, settings, Account(stack, environ), environ, say)

    def prepare(self) -> None:
        """Steps 1 and 2: the bucket and the passphrase of the foundation's own state."""
        storage = storage_of(self.account, self.account.organization_id)
        bucket = self.place.bucket
        done = ensure_bucket(storage, bucket)
        self._told(f"bucket {bucket}", done, "is there: private, versioned, encrypted")
        self._own_document(storage.url(bucket))

    def _own_document(self, url: str) -> None:
        found = find_document(self.account, self.stack, self.place)
        if found is not None:
            self._told(f"secret {self.place.secret}", [], f"is there: the state is in {found[1].address}")
            return
        document = BackendDocument(
            backend_url=SecretStr(url), passphrase=passphrase_for([self.stack], self.environ.get(PASSPHRASE))
        )
        keep(self.account, self.place.secret, self.account.organization_id, document, f"State of {self.stack.name}")
        self._told(f"secret {self.place.secret}", ["made it, with the state's address and passphrase"], "")

    def _told(self, what: str, done: list[str], otherwise: str) -> None:
        self.say(what, ", ".join(done) or otherwise)


def storage_of(account: Account, project_id: str) -> Storage:
    """The object storage of a project."""
    return Storage(account.storage_endpoint(), account.region, account.storage_key(project_id))


def keep(account: Account, name: str, project_id: str, document: BackendDocument, description: str) -> None:
    """Write a state document into its secret, which is made if need be."""
    found = account.secrets_named(name, project_id)
    secret = found[0] if found else account.make_secret(name, project_id, description)
    account.write(secret, document.text())


def foundation_outputs(stack: Stack, environ: Mapping[str, str]) -> Mapping[str, Any]:
    """In clear. Raises OpsError when the stack has no state yet."""
    try:
        file = StateFile(environ[BACKEND_URL], project_name(stack.project_dir), stack.name, environ)
        found = stack_reader.outputs(file, environ)
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None
    outputs: Mapping[str, Any] = unwrap(found)
    return outputs


def publish_to(stack: Stack, environ: Mapping[str, str], document: BackendDocument, outputs: Mapping[str, Any]) -> bool:
    """Write a foundation's outputs where an environment's document leads. Raises StoreError and OpsError."""
    store = open_store(document.url, connect(stack, environ, document))
    try:
        return publish(store, project_name(stack.project_dir), stack.name, outputs)
    finally:
        store.close()


def publish_again(stack: Stack, environ: Mapping[str, str], say: Say) -> None:
    """After an ``up`` of a foundation: give every environment that has a backend the outputs of today.

    What cannot be written is said and fails nothing: the foundation itself is up.
    """
    from infra.settings import FoundationSettings

    place = backend_of(stack)
    settings = settings_of(stack) if place.kind is BackendKind.FOUNDATION else None
    if not isinstance(settings, FoundationSettings):
        return
    account = Account(stack, environ)
    outputs = foundation_outputs(stack, environ)
    if "projectId" not in outputs:
        return  # it was destroyed, or was never complete
    for name in settings.environments:
        environment = replace(place, kind=BackendKind.ENVIRONMENT, secret=naming.environment_state_secret(name))
        try:
            found = find_document(account, stack, environment)
            if found is not None and publish_to(stack, environ, found[1], outputs):
                say(f"backend of {name}", f"wrote the outputs of {stack.name} that {name} needs")
        except (OpsError, StoreError) as error:
            say(
                f"backend of {name}",
                f"does not have the outputs of today: {error}. Run `scripts/snu bootstrap {stack.name}`",
            )


def stacks_of(foundation: Stack, environment: str) -> list[Stack]:
    """The stacks of an environment, previews left out: they begin with a salt of their own."""
    found = []
    for name in stack_names(foundation.project_dir):
        stack = find_stack(foundation.project_dir, name)
        identity = stack.config.get("snu:environment")
        if isinstance(identity, Mapping) and identity.get("name") == environment:
            found.append(stack)
    return found


def passphrase_for(stacks: list[Stack], given: str | None) -> SecretStr:
    """A new one, or the one with which the salt in a stack's file was made.

    Raises OpsError when there is a salt, and neither the given passphrase nor the public one is its.
    """
    salted = [stack for stack in stacks if stack.salt]
    if not salted:
        return SecretStr(secrets.token_urlsafe(_PASSPHRASE_BYTES))
    for passphrase in (given, LOCAL_PASSPHRASE if salted[0].is_local else None):
        with suppress(PulumiError):
            if passphrase is not None:
                Crypter.open(passphrase, salted[0].salt)
                return SecretStr(passphrase)
    raise OpsError(
        f"{salted[0].file.name} has an encryptionsalt, so its stack has a passphrase already. Set {PASSPHRASE} to it "
        "and it is taken over; or remove the line, if no state and no secure value was made with it.",
        ExitCode.ENVIRONMENT,
    )
