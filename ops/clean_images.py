"""Deletes old image tags from registries, except those of images in use. When in doubt, keeps a tag.

Images are identified by digest, so all tags of an image in use are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from infra.settings.built import built_file
from ops import git
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.stack_images import StackImages, environments
from ops.plans.waiting import waiting
from ops.releases.tags import Releases
from ops.scaleway.catalogue import REGISTRY_IMAGES, REGISTRY_NAMESPACE, REGISTRY_TAGS
from ops.scaleway.client import Client, Object
from ops.scaleway.list_call import ListCall
from ops.stacks import Stack, find_stack, stack_names
from ops.state.checkpoint import read_checkpoint
from pulumi_state.store import StoreError
from pulumi_state.store.checkpoints import stacks_in

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_PLAN_HOURS = 24
"""Default for stacks that set no limit."""


@dataclass(frozen=True)
class RegistryTag:
    """A tag in a registry."""

    id: str
    image: str
    name: str
    digest: str
    touched: datetime
    """When the tag was created or last moved."""


@dataclass
class ImagesInUse:
    """Digests that must be kept, each with its reason."""

    reasons: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    """Stacks on other registries whose state cannot be read, each with the reason."""

    def add(self, text: str, reason: str) -> None:
        """Add every digest found in a string."""
        for digest in _DIGEST.findall(text):
            self.reasons.setdefault(digest, reason)


@dataclass(frozen=True)
class TagDecision:
    """The decision to keep or delete a tag."""

    tag: RegistryTag
    stays: str
    """Why the tag is kept; empty if it is deleted."""


# --- images in use --------------------------------------------------------------------------------------


def images_in_use(
    project: Path, cleaned: list[StackImages], environ: Mapping[str, str], keep_releases: int
) -> ImagesInUse:
    """Find the images in states, waiting plans, stack files and releases.

    Raises OpsError if an environment uses a registry to be cleaned and its state cannot be read, or if the clone may
    lack releases.
    """
    in_use = ImagesInUse()
    shared = {_registry_key(environment) for environment in cleaned}
    read: set[str] = set()
    deployed: set[str] = set()
    for environment in environments(project, environ):
        try:
            if environment.store.address not in read:
                _add_states(in_use, environment)
                read.add(environment.store.address)
            _add_waiting(in_use, environment)
            if "snu:promoteFrom" in environment.stack.config and environment.running:
                deployed.add(environment.stack.name)
        except (OpsError, StoreError) as error:
            if _registry_key(environment) in shared:
                raise OpsError(
                    f"A registry cannot be cleaned because the images that {environment.stack.name} runs are unknown: "
                    f"{error}\nNothing was deleted.",
                    ExitCode.ENVIRONMENT,
                ) from None
            in_use.skipped[environment.stack.name] = str(error)
    for name in stack_names(project):
        _add_files(in_use, find_stack(project, name))
    _add_git(in_use, project, keep_releases, deployed)
    return in_use


def _registry_key(environment: StackImages) -> tuple[str, str]:
    """A key shared by all environments that use the same registry. A preview environment uses its parent's registry."""
    identity = environment.settings.environment
    return identity.foundation, identity.preview_of or identity.name


def _add_states(in_use: ImagesInUse, environment: StackImages) -> None:
    """Add the states of all stacks in the environment's store, including previews without a local stack file.

    Searches the whole state because, after a failed update, containers may run images that are not in the outputs.
    """
    for stack in stacks_in(environment.store, environment.project):
        checkpoint = read_checkpoint(environment.store, environment.project, stack)
        in_use.add(json.dumps(checkpoint.latest if checkpoint else {}), f"in the state of {stack}")


def _add_waiting(in_use: ImagesInUse, environment: StackImages) -> None:
    for plan in waiting(environment.store, environment.project, environment.stack.name):
        in_use.add(" ".join(plan.images), f"in a waiting plan of {environment.stack.name}")


def _add_files(in_use: ImagesInUse, stack: Stack) -> None:
    for file in (stack.file, built_file(stack.project_dir, stack.name)):
        if file.exists():
            in_use.add(file.read_text(encoding="utf-8"), f"in {file.relative_to(stack.project_dir)}")


def _add_git(in_use: ImagesInUse, project: Path, keep_releases: int, deployed: Collection[str]) -> None:
    """Add the releases that a rollback may restore. Raises OpsError if the clone may lack some.

    ``deployed``: stacks that must have a release.
    """
    repository = git.find_repository(project, "Git tags identify the releases to keep.")
    if repository.is_shallow:
        raise OpsError(
            f"{project} is a shallow clone, so the releases that `scripts/snu rollback` needs are unknown. Run "
            "`git fetch --unshallow --tags`. Nothing was deleted.",
            ExitCode.USAGE,
        )
    for name in stack_names(project):
        releases = Releases(repository).all(name)
        if name in deployed and not releases:
            raise OpsError(
                f"{name} runs images, but this clone has none of its release tags, so the releases that `scripts/snu "
                f"rollback {name}` needs are unknown. Run `git fetch --tags`, or plan and apply {name} if it has "
                "never had a release. Nothing was deleted.",
                ExitCode.USAGE,
            )
        distinct: list[Mapping[str, Any]] = []
        for release in releases:
            if release.images not in distinct:
                if len(distinct) == keep_releases:
                    break
                distinct.append(release.images)
            in_use.add(" ".join(image.digest for image in release.images.values()), f"in the release {release.name}")


# --- registries -----------------------------------------------------------------------------------------


def cleaned(project: Path, stack: str | None, environ: Mapping[str, str]) -> list[StackImages]:
    """One environment for each registry to clean: the given stack's, or all if it is None. Raises OpsError."""
    chosen = environments(project, environ) if stack is None else [StackImages.find(project, stack, environ)]
    by_registry: dict[tuple[str, str], StackImages] = {}
    # The environment's own stack, if it has a file, takes precedence over its previews.
    for environment in sorted(chosen, key=lambda each: each.settings.environment.preview_of is not None):
        by_registry.setdefault(_registry_key(environment), environment)
    return list(by_registry.values())


class Registry:
    """Lists and deletes tags through Scaleway's registry API."""

    def __init__(self, stack: Stack, environ: Mapping[str, str]) -> None:
        """Raises OpsError if there is no API key."""
        self._client = Client.of(stack, environ)

    def tags(self, registry: str) -> list[RegistryTag]:
        """All tags in a registry. Raises OpsError if it cannot be read."""
        name = registry.partition("/")[2]
        namespaces = self._list(REGISTRY_NAMESPACE.listing, {"name": name})
        namespace = next((each for each in namespaces if each["name"] == name), None)
        if namespace is None:
            raise OpsError(f"The registry {registry} does not exist, or the API key cannot access it.", ExitCode.FAILED)
        return [
            RegistryTag(tag["id"], image["name"], tag["name"], tag["digest"], _touched(tag))
            for image in self._list(REGISTRY_IMAGES, {"namespace_id": namespace["id"]})
            for tag in self._list(REGISTRY_TAGS, imageId=image["id"])
        ]

    def delete(self, tag: RegistryTag) -> None:
        """Delete a tag. Also succeeds if the tag no longer exists. Raises ScalewayError."""
        self._client.delete(REGISTRY_TAGS.object_at(region=self._client.profile.region, id=tag.id))

    def close(self) -> None:
        self._client.close()

    def _list(self, call: ListCall, query: Mapping[str, str] | None = None, **properties: str) -> Iterator[Object]:
        """List objects in an order that is stable across pages."""
        return self._client.list(call, {**(query or {}), "order_by": "created_at_asc"}, **properties)


def _touched(tag: Mapping[str, Any]) -> datetime:
    """The time when a tag was created or last moved. Defaults to now."""
    times = [datetime.fromisoformat(tag[key]) for key in ("created_at", "updated_at") if tag.get(key)]
    return max(times, default=datetime.now(UTC))


# --- decisions ------------------------------------------------------------------------------------------


def shortest_age(project: Path, requested: timedelta) -> timedelta:
    """Minimum age for deletion: at least a plan's maximum lifetime, because waiting plans may not be recorded."""
    hours = [_LONGEST_PLAN_HOURS]
    for name in stack_names(project):
        plans = find_stack(project, name).config.get("snu:plans")
        expiry = plans.get("expireAfter") if isinstance(plans, dict) else None
        hours += [expiry] if isinstance(expiry, int) else []
    return max(requested, timedelta(hours=max(hours)))


def verdicts(tags: list[RegistryTag], in_use: ImagesInUse, age: timedelta, now: datetime) -> list[TagDecision]:
    """Decisions on all tags, sorted by image, oldest first."""

    def young(tag: RegistryTag) -> bool:
        return now - tag.touched < age

    # A recent tag keeps its image and therefore all of the image's tags.
    kept = {(tag.image, tag.digest) for tag in tags if young(tag)}
    return [
        TagDecision(tag, in_use.reasons.get(tag.digest) or _age_reason(tag, kept, age))
        for tag in sorted(tags, key=lambda tag: (tag.image, tag.touched, tag.name))
    ]


def _age_reason(tag: RegistryTag, kept: set[tuple[str, str]], age: timedelta) -> str:
    return f"younger than {age.total_seconds() / 86_400:g} days" if (tag.image, tag.digest) in kept else ""
