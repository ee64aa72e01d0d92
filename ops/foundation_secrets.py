"""A deployed foundation's API keys, which an owner creates, and the secrets that contain them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr

from infra import naming
from ops.application_keys import ApplicationKeys, foundation_settings, holders, state_application
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.catalogue import bare_id
from ops.scaleway.client import Client
from ops.stacks import Stack, project_name
from ops.state.account import Account
from ops.state.backend import BackendKind, StateBackend, backend_of
from ops.state.backend_connection import connect
from ops.state.backend_document import BackendDocument
from ops.state.backend_lookup import find_document
from ops.state.bootstrap import foundation_outputs, passphrase_for, publish_to, stacks_of, storage_of, write_document
from ops.state.bucket import ensure_bucket, ensure_policy
from ops.state.lock import locks_of
from ops.stored_keys import StoredKeys, outdated_keys, store_alerts_access, store_release_key
from pulumi_state.store import StoreError, address_of, checkpoints, open_store
from pulumi_state.variables import PASSPHRASE

if TYPE_CHECKING:
    from infra.settings import FoundationSettings
    from ops.state.bootstrap import Say


@dataclass
class FoundationSecrets:
    """A deployed foundation's API keys, which an owner creates, and the secrets that contain them.

    Each step first checks what already exists. A new key is stored before the old one is deleted.
    """

    stack: Stack
    state_backend: StateBackend
    settings: FoundationSettings
    account: Account
    environ: Mapping[str, str]
    """The user's environment, without a stack's own passphrase."""
    outputs: Mapping[str, Any]
    """The foundation's outputs."""
    keys: StoredKeys

    @classmethod
    @contextmanager
    def opened(
        cls,
        stack: Stack,
        user_environ: Mapping[str, str],
        stack_environ: Mapping[str, str],
        say: Say,
        *,
        rotate: bool = False,
    ) -> Iterator[Self]:
        """``stack_environ``: the environment with the foundation's own backend.

        Raises OpsError like ``foundation_outputs``, and also if the stack is not a foundation or was never deployed.
        """
        settings = foundation_settings(stack)
        outputs = foundation_outputs(stack, stack_environ)
        if "projectId" not in outputs:
            raise OpsError(
                f"{stack.name} has not been deployed yet, so it has no applications. Nothing was changed. Run "
                f"`scripts/snu up {stack.name}` first.",
                ExitCode.FAILED,
            )
        with Client.of(stack, user_environ, ExitCode.ENVIRONMENT) as client, _account(stack, user_environ) as account:
            keys = StoredKeys(ApplicationKeys(settings, client), say, rotate)
            yield cls(stack, backend_of(stack), settings, account, user_environ, outputs, keys)

    def store(self, environment: str | None = None) -> None:
        """Store the backend documents of every environment, the key and data sources for its crash alerts, and the key
        for its release commands.

        ``environment``: only of this one.

        Raises OpsError and ScalewayError. Everything stored so far is kept, and the next run continues from there.
        """
        in_use = []
        for name in [environment] if environment else self.settings.environments:
            if self.state_backend.kind is BackendKind.FOUNDATION:
                in_use += self._store_state(name)
            store_alerts_access(self.account, self.keys, name, self.outputs, self._project_id)
            if self.settings.environments[name].release_commands:
                store_release_key(self.account, self.keys, name, self._project_id)
        if in_use:
            raise OpsError("\n".join(in_use), ExitCode.FAILED)

    @property
    def _project_id(self) -> str:
        return bare_id(self.outputs["projectId"])

    def _store_state(self, name: str) -> list[str]:
        """Store an environment's documents; returns messages about former keys that a run still uses."""
        document, application = self._environment_document(name)
        self._publish(name, document)
        reader = self._reader_document(name, document, application)
        if not application:
            return []
        held = {application: document, **({naming.state_reader(application): reader} if reader else {})}
        former = {each: self.keys.others(each, stored.access_key) for each, stored in held.items()}
        left = [access_key for access_keys in former.values() for access_key in access_keys]
        if left and (owners := self._lock_owners(document)):
            return [
                f"The state of {name} is in use, so its former keys were not deleted ({', '.join(left)}). Run the same "
                f"command again once these runs have finished: {'; '.join(owners)}. `scripts/snu unlock STACK` removes "
                "a stale lock."
            ]
        for each, stored in held.items():
            self.keys.delete_others(each, stored.access_key)
        return []

    def _lock_owners(self, document: BackendDocument) -> list[str]:
        """The locked stacks in a document's backend, with their lock owners. Raises StoreError and OpsError."""
        project = project_name(self.stack.project_dir)
        with closing(open_store(document.url, connect(self.stack, self.environ, document))) as store:
            return [
                f"{stack} by {lock.owner}"
                for stack in sorted(checkpoints.stacks_in(store, project))
                for lock in locks_of(store, project, stack)
            ]

    def _environment_document(self, name: str) -> tuple[BackendDocument, str]:
        """The document, and the application that owns its key (empty if the backend uses no application key)."""
        wanted, application = self._backend(name)
        secret = naming.environment_state_secret(name)
        found = find_document(self.account, self.stack, self._described_by(secret))
        if found is None:
            passphrase = passphrase_for(stacks_of(self.stack, name), self.environ.get(PASSPHRASE))
            document = self._with_key(wanted.model_copy(update={"passphrase": passphrase}), application, None)
            write_document(self.account, secret, self._project_id, document, f"State of {name}")
            self._report(f"secret {secret}", "created with the state's address, login and passphrase")
            return document, application
        known, elsewhere = found[1], ""
        if known.address == wanted.address:
            wanted = wanted.model_copy(update={"passphrase": known.passphrase})
        else:
            elsewhere = f"; the foundation's backend for it is {wanted.address}"
            wanted, application = known, self._former_application(name, known)
        document = self._with_key(wanted, application, known)
        if document != known:
            self.account.write(found[0], document.text())
            self._report(f"secret {secret}", f"updated the login{elsewhere}")
        else:
            self._report(f"secret {secret}", f"exists: the state is in {known.address}{elsewhere}")
        return document, application

    def _reader_document(self, name: str, writer: BackendDocument, application: str) -> BackendDocument | None:
        """The document with read-only access to the environment's state; None if no read-only login exists."""
        secret = naming.state_reader_secret(name)
        url = writer.url if application else (self.outputs.get("backendReaderUrls") or {}).get(name)
        if url is None or address_of(url) != writer.address:
            self._report(f"secret {secret}", "not created: the foundation has no read-only login for that state")
            return None
        found = find_document(self.account, self.stack, self._described_by(secret))
        known = found[1] if found else None
        reader = naming.state_reader(application) if application else ""
        document = self._with_key(writer.model_copy(update={"backend_url": SecretStr(url)}), reader, known)
        if document == known:
            self._report(f"secret {secret}", "exists: contains read access to the state")
            return document
        write_document(self.account, secret, self._project_id, document, f"State of {name}, read-only")
        self._report(f"secret {secret}", "updated the read access to the state")
        return document

    def backend(self, name: str) -> BackendDocument:
        """The document of the environment's backend, with a login and an empty passphrase."""
        return self._with_key(*self._backend(name), None)

    def _backend(self, name: str) -> tuple[BackendDocument, str]:
        """The document without a key, and the application that needs a key (empty if the backend uses a password)."""
        database = self.settings.environments[name].database
        application = state_application(name, database)
        if database.kind != "bucket":
            connection = (self.outputs.get("backendConnections") or {}).get(name) or {}
            document = BackendDocument(
                backend_url=SecretStr(self.outputs["backendUrls"][name]),
                passphrase=SecretStr(""),
                certificate=connection.get("certificate", ""),
                open_instance=connection.get("openInstance", ""),
            )
            return document, application
        bucket = naming.environment_state_bucket(self.settings.project.name, name)
        storage = storage_of(self.account, self._project_id)
        done = ensure_bucket(storage, bucket)
        users = (
            f"application_id:{self.keys.cloud.id_of(each)}" for each in (application, naming.state_reader(application))
        )
        done += ensure_policy(storage, bucket, self.account.bearer(), *users)
        self._report(
            f"bucket {bucket}", ", ".join(done) or "exists: private, versioned, encrypted, limited to its environment"
        )
        return BackendDocument(backend_url=SecretStr(storage.url(bucket)), passphrase=SecretStr("")), application

    def _former_application(self, name: str, known: BackendDocument) -> str:
        """The former database's application if the document uses it to log in, otherwise empty."""
        former = self.settings.environments[name].former_database
        application = state_application(name, former) if former else ""
        return application if application and f"://{self.keys.cloud.id_of(application)}:" in known.url else ""

    def _with_key(self, wanted: BackendDocument, application: str, known: BackendDocument | None) -> BackendDocument:
        """``wanted`` with a key for the application, if there is one; ``known``: the secret's current document."""
        if not application:
            return wanted
        key = self.keys.current_or_new(application, known.key if known else None)
        return wanted.with_key(self.keys.cloud.id_of(application), key)

    def _described_by(self, secret: str) -> StateBackend:
        return replace(self.state_backend, kind=BackendKind.ENVIRONMENT, secret=secret)

    def _publish(self, name: str, document: BackendDocument) -> None:
        try:
            changed = publish_to(self.stack, self.environ, document, self.outputs)
        except StoreError as error:
            raise OpsError(
                f"The backend of {name} is not usable yet: {error}. Everything created so far was kept. Fix the "
                "problem and run the same command again.",
                ExitCode.FAILED,
            ) from None
        self._report(f"backend of {name}", f"{'updated' if changed else 'has'} the outputs of {self.stack.name}")

    def _report(self, subject: str, result: str) -> None:
        self.keys.say(subject, result)


def warn_of_outdated_keys(stack: Stack, environ: Mapping[str, str]) -> None:
    """Warn about secrets with an outdated key or access after a foundation was updated.

    Crash alert secrets that have no version yet are left out because the program itself warns about them. Scaleway
    errors are ignored.
    """
    with suppress(OpsError):
        settings, outputs = foundation_settings(stack), foundation_outputs(stack, environ)
        if "projectId" not in outputs:
            return
        with Client.of(stack, environ) as client, _account(stack, environ) as account:
            cloud = ApplicationKeys(settings, client)
            names = ", ".join(outdated_keys(account, cloud, holders(stack, settings), outputs))
        if names:
            sys.stderr.write(
                f"warning: {stack.name}: the API key or access in these secrets is missing or outdated: {names}. Run "
                f"`scripts/snu keys store {stack.name}`.\n"
            )


def _account(stack: Stack, environ: Mapping[str, str]) -> closing[Account]:
    return closing(Account(stack, environ))
