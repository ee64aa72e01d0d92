"""Orphans: live resources of a foundation's project or applications that are not in any stack's state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra import naming
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.findings import Finding, FindingKind
from ops.images.stack_images import StackImages
from ops.scaleway import catalogue
from ops.scaleway.catalogue import ResourceKind, Scope, kinds_in
from ops.scaleway.client import Client, Object
from ops.scaleway.finder import Finder
from ops.session import Session
from ops.stacks import Stack, find_stack, settings_of, stack_names
from ops.state import backend
from ops.state.account import Account
from ops.state.bucket import Storage, bucket_names
from ops.state.checkpoint import outputs_of, read_checkpoint
from ops.state.tombstone import refuse_moved
from ops.steps import short_type
from pulumi_state.interruption import CREATING, resource_ids
from pulumi_state.store import Store
from pulumi_state.store.checkpoints import stacks_in

if TYPE_CHECKING:
    from infra.settings import FoundationSettings

_NAMES = ("name", "hostname", "subdomain", "description")


def orphans_of(session: Session, environ: Mapping[str, str]) -> list[Finding]:
    """The orphans of a foundation; empty if it is not deployed.

    ``environ``: the process environment, without any stack's variables. Raises OpsError or StoreError if any state or
    list cannot be read, because orphans cannot be identified then.
    """
    from infra.settings import FoundationSettings

    settings = settings_of(session.stack)
    project_id = outputs_of(session.store, session.project, session.stack.name).get("projectId")
    if not isinstance(settings, FoundationSettings) or not isinstance(project_id, str):
        return []
    search = _Search(session, settings, project_id)
    listed = {each.id: each for each in search.listed()}
    # States are read after the lists, so that resources being created are already in a state, or pending.
    known = _known(session, environ) | {each.id for each in settings.drift.ignore_orphans}
    suspects = listed.keys() - known
    # Listed again, as resources being deleted have already left the state.
    return [each for each in search.listed() if each.id in suspects] if suspects else []


# --- states ---------------------------------------------------------------------------------------------------------


def _known(session: Session, environ: Mapping[str, str]) -> set[str]:
    """All ids in the states of the foundation, its environments and their previews."""
    ids: set[str] = set()
    for store in _stores(session, environ).values():
        for stack in stacks_in(store, session.project):
            checkpoint = read_checkpoint(store, session.project, stack)
            if checkpoint is None:
                continue
            if any(each.get("type") == CREATING for each in checkpoint.latest.get("pending_operations") or []):
                raise OpsError(
                    f"Orphans were not checked: {stack} is being changed, or a run was interrupted. Try again when "
                    f"the run has finished, or run `scripts/snu recover {stack}`.",
                    ExitCode.INTERRUPTED,
                )
            ids |= resource_ids(checkpoint.latest)
    return ids


def _stores(session: Session, environ: Mapping[str, str]) -> dict[str, Store]:
    """The stores by address. An environment's store also contains its previews' states."""
    stores = {session.store.address: session.store}
    for stack in _environments(session.stack):
        try:
            store = StackImages.of(stack, environ).store
            refuse_moved(store, session.project, stack.name)
        except OpsError as error:
            raise OpsError(
                f"Orphans were not checked, because the state of {stack.name} cannot be read: {error}",
                error.code,
            ) from None
        stores.setdefault(store.address, store)
    return stores


def _environments(foundation: Stack) -> Iterator[Stack]:
    """The environments of a foundation, excluding previews."""
    for name in stack_names(foundation.project_dir):
        stack = find_stack(foundation.project_dir, name)
        identity = stack.config.get("snu:environment")
        if not isinstance(identity, Mapping) or "previewOf" in identity:
            continue
        if identity.get("foundation") == foundation.name:
            yield stack


# --- the cloud ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Search:
    """Lists live resources that a foundation's stacks may have created."""

    session: Session
    settings: FoundationSettings
    project_id: str

    def listed(self) -> Iterator[Finding]:
        """Live resources, except those that the project creates outside Pulumi.

        Raises OpsError if Scaleway resources cannot be read.
        """
        finder = Finder(Client.of(self.session.stack, self.session.environ))
        secrets = (naming.environment_state_secret, naming.state_reader_secret)
        bootstrapped = {secret(name) for secret in secrets for name in self.settings.environments}
        for kind in kinds_in(Scope.PROJECT):
            for id_, resource in finder.existing(kind, {"project_id": self.project_id}):
                is_bootstrapped = kind is catalogue.SECRET and resource["name"] in bootstrapped
                if not _is_managed_by_scaleway(resource) and not is_bootstrapped:
                    yield _orphan(kind, id_, resource)
        if self.settings.zone is not None:
            records = finder.existing(catalogue.RECORD, catalogue.RECORDS_OF_PROGRAM, dnsZone=self.settings.zone)
            for id_, record in records:
                yield _orphan(catalogue.RECORD, id_, record)
        yield from self._access(finder)
        yield from self._buckets()

    def _access(self, finder: Finder) -> Iterator[Finding]:
        """The organization's applications with this project's names, and their policies and keys."""
        names, ids = self._application_names(), set[str]()
        query = {"organization_id": self.settings.organization_id}
        for id_, application in finder.existing(catalogue.APPLICATION, query):
            if application["name"] in names:
                ids.add(id_)
                yield _orphan(catalogue.APPLICATION, id_, application)
        for kind in kinds_in(Scope.APPLICATION):
            for id_, resource in finder.existing(kind, query):
                if resource.get("application_id") in ids and resource.get("description") != naming.HANDED_OUT_KEY:
                    yield _orphan(kind, id_, resource)

    def _application_names(self) -> set[str]:
        project = self.settings.project.name
        names = {naming.previews_application(project), naming.foundation_preview_application(project)}
        return names.union(*map(naming.applications, self.settings.environments))

    def _buckets(self) -> Iterator[Finding]:
        """The project's buckets.

        Empty unless states are stored in buckets: otherwise, the key may lack the permission to list them.
        """
        own = backend.backend_of(self.session.stack)
        if own.kind is not backend.BackendKind.FOUNDATION:
            return
        account = Account(self.session.stack, self.session.environ)
        try:
            storage = Storage(account.storage_endpoint(), account.region, account.storage_key(self.project_id))
        finally:
            account.close()
        project = self.settings.project.name
        # Created by `snu bootstrap` and by the crash alerts job, outside Pulumi.
        expected = {
            bucket(project, environment)
            for bucket in (naming.environment_state_bucket, naming.alerts_bucket)
            for environment in self.settings.environments
        }
        for name in bucket_names(storage):
            if name not in {own.bucket, *expected}:
                yield Finding(FindingKind.ORPHAN, short_type(catalogue.BUCKET.token), name, name, account.region)


def _is_managed_by_scaleway(resource: Object) -> bool:
    """Whether Scaleway created the resource for its own use, such as a log data source or another product's secret."""
    return resource.get("origin") == "scaleway" or resource.get("managed") is True


def _orphan(kind: ResourceKind, id_: str, resource: Object) -> Finding:
    name = next((str(resource[key]) for key in _NAMES if resource.get(key)), id_)
    return Finding(FindingKind.ORPHAN, short_type(kind.token), name, id_, str(resource.get("region") or ""))
