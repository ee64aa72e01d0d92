"""Old versions leave a registry, except what is needed. What cannot be known to be needless stays.

An image is known by its digest: every tag of an image that is needed stays.
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
"""Of stacks whose settings do not say."""


@dataclass(frozen=True)
class RegistryTag:
    """A version of an image in a registry."""

    id: str
    image: str
    name: str
    digest: str
    touched: datetime
    """When it was made, or last moved."""


@dataclass
class ImagesInUse:
    """Digests that must stay, each with why."""

    reasons: dict[str, str] = field(default_factory=dict)
    unasked: dict[str, str] = field(default_factory=dict)
    """Stacks with other registries whose state could not be read, and why: what they run was not looked at."""

    def add(self, text: str, reason: str) -> None:
        """Every digest in a text."""
        for digest in _DIGEST.findall(text):
            self.reasons.setdefault(digest, reason)


@dataclass(frozen=True)
class TagDecision:
    """What becomes of a tag."""

    tag: RegistryTag
    stays: str
    """Why it stays; empty where it goes."""


# --- what is needed -------------------------------------------------------------------------------------


def needed(project: Path, cleaned: list[StackImages], environ: Mapping[str, str], keep_releases: int) -> ImagesInUse:
    """Of all that is known here. Raises OpsError when the state of an environment that shares a registry with one that
    is cleaned cannot be read, or the releases are not all here."""
    found = ImagesInUse()
    shared = {_place(environment) for environment in cleaned}
    read: set[str] = set()
    deployed: set[str] = set()
    for environment in environments(project, environ):
        try:
            if environment.store.address not in read:
                _add_states(found, environment)
                read.add(environment.store.address)
            _add_waiting(found, environment)
            if "snu:promoteFrom" in environment.stack.config and environment.running:
                deployed.add(environment.stack.name)
        except (OpsError, StoreError) as error:
            if _place(environment) in shared:
                raise OpsError(
                    f"What {environment.stack.name} runs is not known, and its images are in a registry that is to be "
                    f"cleaned: {error}\nNothing was deleted.",
                    ExitCode.ENVIRONMENT,
                ) from None
            found.unasked[environment.stack.name] = str(error)
    for name in stack_names(project):
        _add_files(found, find_stack(project, name))
    _add_git(found, project, keep_releases, deployed)
    return found


def _place(environment: StackImages) -> tuple[str, str]:
    """The same for environments that share a registry: a preview environment has none of its own."""
    identity = environment.settings.environment
    return identity.foundation, identity.preview_of or identity.name


def _add_states(found: ImagesInUse, environment: StackImages) -> None:
    """Of every stack in its store: previews of others, whose files are not here, are there as well.

    All of a state counts: after an update that failed, containers run what the outputs do not say.
    """
    for stack in stacks_in(environment.store, environment.project):
        checkpoint = read_checkpoint(environment.store, environment.project, stack)
        found.add(json.dumps(checkpoint.latest if checkpoint else {}), f"in the state of {stack}")


def _add_waiting(found: ImagesInUse, environment: StackImages) -> None:
    for plan in waiting(environment.store, environment.project, environment.stack.name):
        found.add(" ".join(plan.images), f"in a plan of {environment.stack.name} that waits")


def _add_files(found: ImagesInUse, stack: Stack) -> None:
    for file in (stack.file, built_file(stack.project_dir, stack.name)):
        if file.exists():
            found.add(file.read_text(encoding="utf-8"), f"in {file.relative_to(stack.project_dir)}")


def _add_git(found: ImagesInUse, project: Path, keep_releases: int, deployed: Collection[str]) -> None:
    """Releases that can be gone back to. Raises OpsError when not all of them may be here.

    ``deployed``: the stacks of which there must be one.
    """
    repository = git.find_repository(project, "its tags name the releases that must stay.")
    if repository.is_shallow:
        raise OpsError(
            f"{project} has not the whole history with its tags, so releases that `scripts/snu rollback` needs are "
            "unknown: fetch them (`git fetch --unshallow --tags`). Nothing was deleted.",
            ExitCode.USAGE,
        )
    for name in stack_names(project):
        releases = Releases(repository).all(name)
        if name in deployed and not releases:
            raise OpsError(
                f"{name} runs images, and {project} has no tag of a release of {name}, so the releases that "
                f"`scripts/snu rollback {name}` needs are unknown: fetch the tags (`git fetch --tags`), or plan and "
                f"apply {name} if it has never had a release. Nothing was deleted.",
                ExitCode.USAGE,
            )
        distinct: list[Mapping[str, Any]] = []
        for release in releases:
            if release.images not in distinct:
                if len(distinct) == keep_releases:
                    break
                distinct.append(release.images)
            found.add(" ".join(image.digest for image in release.images.values()), f"in the release {release.name}")


# --- what is there --------------------------------------------------------------------------------------


def cleaned(project: Path, stack: str | None, environ: Mapping[str, str]) -> list[StackImages]:
    """One environment for each registry: that of a stack, or all. Raises OpsError."""
    chosen = environments(project, environ) if stack is None else [StackImages.find(project, stack, environ)]
    return list({_place(environment): environment for environment in reversed(chosen)}.values())


class Registry:
    """Scaleway's registry API, as far as tags are listed and deleted."""

    def __init__(self, stack: Stack, environ: Mapping[str, str]) -> None:
        """Raises OpsError when there is no API key."""
        self._client = Client.of(stack, environ)

    def tags(self, registry: str) -> list[RegistryTag]:
        """All tags of a registry. Raises OpsError when Scaleway does not say."""
        name = registry.partition("/")[2]
        namespaces = self._list(REGISTRY_NAMESPACE.listing, {"name": name})
        namespace = next((each for each in namespaces if each["name"] == name), None)
        if namespace is None:
            raise OpsError(f"Scaleway knows no registry {registry}, or the key in use may not see it.", ExitCode.FAILED)
        return [
            RegistryTag(tag["id"], image["name"], tag["name"], tag["digest"], _touched(tag))
            for image in self._list(REGISTRY_IMAGES, {"namespace_id": namespace["id"]})
            for tag in self._list(REGISTRY_TAGS, imageId=image["id"])
        ]

    def delete(self, tag: RegistryTag) -> None:
        """Succeeds if it is already gone. Raises ScalewayError."""
        self._client.delete(REGISTRY_TAGS.object_at(region=self._client.profile.region, id=tag.id))

    def close(self) -> None:
        self._client.close()

    def _list(self, call: ListCall, query: Mapping[str, str] | None = None, **properties: str) -> Iterator[Object]:
        """In an order that does not change between pages."""
        return self._client.list(call, {**(query or {}), "order_by": "created_at_asc"}, **properties)


def _touched(tag: Mapping[str, Any]) -> datetime:
    """A tag without a time counts as new."""
    times = [datetime.fromisoformat(tag[key]) for key in ("created_at", "updated_at") if tag.get(key)]
    return max(times, default=datetime.now(UTC))


# --- what becomes of it ---------------------------------------------------------------------------------


def shortest_age(project: Path, wanted: timedelta) -> timedelta:
    """At least as long as a plan may wait: of one that this command knows nothing of, the images are that young."""
    hours = [_LONGEST_PLAN_HOURS]
    for name in stack_names(project):
        plans = find_stack(project, name).config.get("snu:plans")
        given = plans.get("expireAfter") if isinstance(plans, dict) else None
        hours += [given] if isinstance(given, int) else []
    return max(wanted, timedelta(hours=max(hours)))


def verdicts(tags: list[RegistryTag], found: ImagesInUse, age: timedelta, now: datetime) -> list[TagDecision]:
    """By image, the oldest first."""

    def young(tag: RegistryTag) -> bool:
        return now - tag.touched < age

    # A young tag holds the image, and so the old tags of it.
    held = {(tag.image, tag.digest) for tag in tags if young(tag)}
    return [
        TagDecision(tag, found.reasons.get(tag.digest) or _age_reason(tag, held, age))
        for tag in sorted(tags, key=lambda tag: (tag.image, tag.touched, tag.name))
    ]


def _age_reason(tag: RegistryTag, held: set[tuple[str, str]], age: timedelta) -> str:
    return f"younger than {age.total_seconds() / 86_400:g} days" if (tag.image, tag.digest) in held else ""
