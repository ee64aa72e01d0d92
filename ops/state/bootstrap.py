"""Sets up state storage in an empty account. Each step checks what exists, creates anything missing and reports it."""

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
"""Called for each step with the step's subject and result."""

_PASSPHRASE_BYTES = 32


@dataclass
class Bootstrap:
    """The setup of one foundation's state storage."""

    stack: Stack
    backend: StateBackend
    settings: FoundationSettings
    account: Account
    environ: Mapping[str, str]
    """The user's environment without a stack-specific passphrase."""
    say: Say

    @classmethod
    def of(cls, stack: Stack, environ: Mapping[str, str], say: Say) -> Bootstrap:
        """Raises OpsError if the stack is not a foundation, keeps its state in a folder, or has no API key."""
        from infra.settings import FoundationSettings

        settings = settings_of(stack)
        if not isinstance(settings, FoundationSettings):
            raise OpsError(
                f"{stack.name} is an environment, and its state storage belongs to its foundation. Run `scripts/snu "
                f"bootstrap {settings.environment.foundation}`.",
                ExitCode.USAGE,
            )
        backend = backend_of(stack)
        if backend.kind is not BackendKind.FOUNDATION:
            raise OpsError(
                f"{stack.name} keeps its state in a folder in this checkout and needs no bootstrap. To keep it in "
                f"object storage, set `backend: bucket` under snu:state in {stack.file.name}.",
                ExitCode.USAGE,
            )
        return cls(stack, backend, settings, Account(stack, environ), environ, say)

    def prepare(self) -> None:
        """Create the bucket and passphrase for the foundation's own state."""
        storage = storage_of(self.account, self.account.organization_id)
        bucket = self.backend.bucket
        done = ensure_bucket(storage, bucket)
        self._report(f"bucket {bucket}", done, "exists: private, versioned, encrypted")
        self._ensure_document(storage.url(bucket))

    def _ensure_document(self, url: str) -> None:
        existing = find_document(self.account, self.stack, self.backend)
        if existing is not None:
            self._report(f"secret {self.backend.secret}", [], f"exists: the state is in {existing[1].address}")
            return
        document = BackendDocument(
            backend_url=SecretStr(url), passphrase=passphrase_for([self.stack], self.environ.get(PASSPHRASE))
        )
        description = f"State of {self.stack.name}"
        write_document(self.account, self.backend.secret, self.account.organization_id, document, description)
        self._report(f"secret {self.backend.secret}", ["created, with the state's address and passphrase"], "")

    def _report(self, subject: str, done: list[str], otherwise: str) -> None:
        self.say(subject, ", ".join(done) or otherwise)


def storage_of(account: Account, project_id: str) -> Storage:
    """A project's object storage."""
    return Storage(account.storage_endpoint(), account.region, account.storage_key(project_id))


def write_document(account: Account, name: str, project_id: str, document: BackendDocument, description: str) -> None:
    """Write a backend document to its secret, creating the secret if necessary."""
    secrets_found = account.secrets_named(name, project_id)
    secret = secrets_found[0] if secrets_found else account.create_secret(name, project_id, description)
    account.write(secret, document.text())


def foundation_outputs(stack: Stack, environ: Mapping[str, str]) -> Mapping[str, Any]:
    """A foundation's outputs, including decrypted secrets. Raises OpsError if the stack has no state yet."""
    try:
        file = StateFile(environ[BACKEND_URL], project_name(stack.project_dir), stack.name, environ)
        values = stack_reader.outputs(file, environ)
    except PulumiError as error:
        raise OpsError(str(error), ExitCode.FAILED) from None
    outputs: Mapping[str, Any] = unwrap(values)
    return outputs


def publish_to(stack: Stack, environ: Mapping[str, str], document: BackendDocument, outputs: Mapping[str, Any]) -> bool:
    """Write a foundation's outputs to the backend in an environment's document. Raises StoreError and OpsError."""
    store = open_store(document.url, connect(stack, environ, document))
    try:
        return publish(store, project_name(stack.project_dir), stack.name, outputs)
    finally:
        store.close()


def publish_again(stack: Stack, environ: Mapping[str, str], say: Say) -> None:
    """After an update, write a foundation's outputs to the backend of each environment that has one.

    Failures are reported but not raised, since the foundation itself is up to date.
    """
    from infra.settings import FoundationSettings

    backend = backend_of(stack)
    settings = settings_of(stack) if backend.kind is BackendKind.FOUNDATION else None
    if not isinstance(settings, FoundationSettings):
        return
    account = Account(stack, environ)
    outputs = foundation_outputs(stack, environ)
    if "projectId" not in outputs:
        return  # the foundation was destroyed or never completed
    for name in settings.environments:
        environment = replace(backend, kind=BackendKind.ENVIRONMENT, secret=naming.environment_state_secret(name))
        try:
            found = find_document(account, stack, environment)
            if found is not None and publish_to(stack, environ, found[1], outputs):
                say(f"backend of {name}", f"updated the outputs of {stack.name}")
        except (OpsError, StoreError) as error:
            say(
                f"backend of {name}",
                f"has outdated outputs of {stack.name}: {error}. Run `scripts/snu bootstrap {stack.name}`.",
            )


def stacks_of(foundation: Stack, environment: str) -> list[Stack]:
    """The stacks of an environment, excluding preview environments, which have their own salts."""
    stacks = []
    for name in stack_names(foundation.project_dir):
        stack = find_stack(foundation.project_dir, name)
        identity = stack.config.get("snu:environment")
        if isinstance(identity, Mapping) and identity.get("name") == environment:
            stacks.append(stack)
    return stacks


def passphrase_for(stacks: list[Stack], given: str | None) -> SecretStr:
    """A new passphrase, or the existing passphrase that matches the salt in a stack's file.

    Raises OpsError if neither the given passphrase nor the public passphrase of local stacks matches an existing salt.
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
        f"{salted[0].file.name} has an encryptionsalt, so its stack already has a passphrase. Set {PASSPHRASE} to that "
        "passphrase, or remove the line if no state or secure value was encrypted with it.",
        ExitCode.ENVIRONMENT,
    )
