"""Promotion: copies a stack's images to another stack's registry and their versions and digests to its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from infra.settings import EnvironmentSettings, Image
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.copy import Copier, CopyStatistics
from ops.images.registry import RegistryError
from ops.images.stack_images import StackImages
from ops.releases.committed_file import CommittedFile
from ops.stack_file import put_images
from ops.stacks import find_stack, settings_of, stack_names

SOURCE_ACCESS_KEY = "SNU_SOURCE_ACCESS_KEY"
SOURCE_SECRET_KEY = "SNU_SOURCE_SECRET_KEY"  # noqa: S105 - the variable's name

OnState = Callable[[str, str, str], None]
"""Called with the image's name, its state such as ``copying``, and a line of detail."""


def source_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for reading the source, with the source's own API key if one is set.

    Raises OpsError if only half of that key is set.
    """
    source_key = {
        "SCW_ACCESS_KEY": environ.get(SOURCE_ACCESS_KEY, ""),
        "SCW_SECRET_KEY": environ.get(SOURCE_SECRET_KEY, ""),
    }
    if any(source_key.values()) and not all(source_key.values()):
        raise OpsError(
            f"Only one of {SOURCE_ACCESS_KEY} and {SOURCE_SECRET_KEY} is set. Set both, or neither if the target's key "
            "may read the source.",
            ExitCode.ENVIRONMENT,
        )
    return {**environ, **source_key} if all(source_key.values()) else {**environ}


def require_allowed(project: Path, source: str, target: StackImages) -> None:
    """Raises OpsError unless the target's file names the source in ``snu:promoteFrom``."""
    if target.settings.promote_from == source:
        return
    name, promoted = target.stack.name, target.settings.promote_from
    reason = f"has snu:promoteFrom {promoted}" if promoted else "has no snu:promoteFrom"
    allowed = ", ".join(f"`scripts/snu promote {a} {b}`" for a, b in _allowed(project)) or "none"
    raise OpsError(
        f"{source} cannot be promoted to {name}: {target.stack.file.name} {reason}. Allowed: {allowed}. Nothing "
        "was changed.",
        ExitCode.USAGE,
    )


def require_as_named(source: StackImages) -> None:
    """Raises OpsError with code REFUSED if the source runs different images than its file specifies."""
    named = source.settings.pinned
    others = sorted(name for name, image in source.running.items() if name in named and named[name] != image)
    if others:
        name = source.stack.name
        raise OpsError(
            f"{name} runs different images of {', '.join(others)} than {source.stack.file.name} specifies: another "
            f"release has been deployed to {name} since. Nothing was promoted. Deploy {name} again, then retry.",
            ExitCode.REFUSED,
        )


def _allowed(project: Path) -> list[tuple[str, str]]:
    promotions = []
    for name in stack_names(project):
        stack = find_stack(project, name)
        if stack.config.get("snu:blueprint") == "environment":
            settings = settings_of(stack)
            if isinstance(settings, EnvironmentSettings) and settings.promote_from:
                promotions.append((settings.promote_from, name))
    return promotions


@dataclass(frozen=True)
class ImageChoice:
    """How a promotion handles each image."""

    taken: dict[str, Image]
    """Images that both stacks run, at the source's version."""
    written: dict[str, Image]
    """The images in ``taken`` that the target's file does not contain yet."""
    staying: list[str]
    """Images that only the target runs."""
    unused: list[str]
    """Images that only the source runs."""

    def since(self, committed: CommittedFile) -> ImageChoice:
        """The choice relative to the last commit, since an earlier run may have left changes uncommitted."""
        written = {
            name: image for name, image in self.taken.items() if committed.is_altered_by(put_images({name: image}))
        }
        return replace(self, written=written)


def choose(source: StackImages, target: StackImages) -> ImageChoice:
    """Raises OpsError if the source runs no images or its state cannot be read."""
    running, named = source.running, target.settings.pinned
    if not running:
        raise OpsError(
            f"{source.stack.name} runs no images, according to its state. Deploy it first. Nothing was changed.",
            ExitCode.FAILED,
        )
    taken = {name: running[name] for name in sorted(named.keys() & running.keys())}
    return ImageChoice(
        taken=taken,
        written={name: image for name, image in taken.items() if named[name] != image},
        staying=sorted(named.keys() - running.keys()),
        unused=sorted(running.keys() - named.keys()),
    )


def copy_images(
    source: StackImages, target: StackImages, images: Mapping[str, Image], on_state: OnState
) -> dict[str, CopyStatistics]:
    """Copy the images missing from the target's registry. Raises OpsError on failure; completed copies are kept."""
    copied: dict[str, CopyStatistics] = {}
    for name, image in images.items():
        repository = target.registries.repository(f"{target.registry}/{name}")

        def on_bytes(done: int, total: int, name: str = name) -> None:
            on_state(name, "copying", f"{megabytes(done)} of {megabytes(total)}")

        on_state(name, "checking", "")
        origin = source.registries.repository(f"{source.registry}/{name}")
        try:
            copied[name] = Copier(origin, repository, on_bytes=on_bytes).copy(image)
        except RegistryError as error:
            on_state(name, "failed", "")
            raise OpsError(
                f"{name} {image.version} was not copied: {error}\nNo file was changed. Run the same command again to "
                "resume; completed copies remain in the registry.",
                ExitCode.FAILED,
            ) from None
        on_state(name, "done", image.digest)
    return copied


def megabytes(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB"
