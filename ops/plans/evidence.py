"""A plan's evidence: files, configuration, state and images, collected both when planning and when applying."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ops import git
from ops.images.registry import Registries, is_by_digest
from ops.scaleway.profile import Profile
from ops.stacks import Stack
from ops.state.checkpoint import Secrets, fingerprint_of, read_checkpoint
from ops.state.fingerprint import Fingerprint
from ops.steps import Step
from pulumi_state.store import Store

_IMAGE_INPUTS = ("image", "imageUri")


@dataclass(frozen=True)
class Evidence:
    """A stack's current files, configuration and state."""

    revision: git.Revision
    config: Mapping[str, Any]
    salt: str
    backend: str
    state: Fingerprint


def collect(stack: Stack, project: str, store: Store, secrets: Secrets) -> Evidence:
    """Collect the evidence. Raises OpsError if any part of it cannot be read."""
    checkpoint = read_checkpoint(store, project, stack.name)
    return Evidence(
        revision=git.revision(stack.project_dir),
        config=stack.config,
        salt=stack.salt or (checkpoint.salt if checkpoint else None) or "",
        backend=store.address,
        state=fingerprint_of(checkpoint, secrets),
    )


def images_of(steps: Iterable[Step]) -> list[str]:
    """Digest references of the images that a preview's resources will run."""
    inputs = [step.new.get("inputs") or {} for step in steps if step.new]
    images = {str(values[key]) for values in inputs for key in _IMAGE_INPUTS if isinstance(values.get(key), str)}
    return sorted(reference for reference in images if is_by_digest(reference))


def find_images(images: Iterable[str], stack: Stack, environ: Mapping[str, str]) -> dict[str, bool]:
    """Whether each image is in its registry. Raises OpsError if there is no API key or a registry fails."""
    references = list(images)
    if not references:
        return {}
    registries = Registries(Profile.of(stack, environ).secret_key)
    return {reference: registries.has(reference) for reference in references}
