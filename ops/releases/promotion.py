"""Takes what one stack runs over into another one: images into its registry, versions and digests into its file."""

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
"""Gets the image's name, what is done with it, and a line about that."""


def source_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment in which the source is asked: with its own key, where it needs another one than the target's.

    Raises OpsError where only half of that key is set.
    """
    own = {
        "SCW_ACCESS_KEY": environ.get(SOURCE_ACCESS_KEY, ""),
        "SCW_SECRET_KEY": environ.get(SOURCE_SECRET_KEY, ""),
    }
    if any(own.values()) and not all(own.values()):
        raise OpsError(
            f"Only one of {SOURCE_ACCESS_KEY} and {SOURCE_SECRET_KEY} is set: set both, or none where the target's key "
            "may read the source.",
            ExitCode.ENVIRONMENT,
        )
    return {**environ, **own} if all(own.values()) else {**environ}


def require_allowed(project: Path, source: str, target: StackImages) -> None:
    """Raises OpsError unless the target's file says that it takes its images from the source."""
    if target.settings.promote_from == source:
        return
    name, promoted = target.stack.name, target.settings.promote_from
    found = f"takes its images from {promoted}" if promoted else "has no snu:promoteFrom"
    allowed = ", ".join(f"`scripts/snu promote {a} {b}`" for a, b in _allowed(project)) or "none"
    raise OpsError(
        f"Nothing is promoted from {source} to {name}: {target.stack.file.name} {found}. Allowed: {allowed}. Nothing "
        "was changed.",
        ExitCode.USAGE,
    )


def require_as_named(source: StackImages) -> None:
    """Raises OpsError, of the status REFUSED, where the source runs other images than its file names."""
    named = source.settings.pinned
    others = sorted(name for name, image in source.running.items() if name in named and named[name] != image)
    if others:
        name = source.stack.name
        raise OpsError(
            f"{name} runs other images than {source.stack.file.name} names here, of {', '.join(others)}: another "
            f"release was deployed to {name} meanwhile. Nothing was promoted. Deploy {name} again, and then go on.",
            ExitCode.REFUSED,
        )


def _allowed(project: Path) -> list[tuple[str, str]]:
    found = []
    for name in stack_names(project):
        stack = find_stack(project, name)
        if stack.config.get("snu:blueprint") == "environment":
            settings = settings_of(stack)
            if isinstance(settings, EnvironmentSettings) and settings.promote_from:
                found.append((settings.promote_from, name))
    return found


@dataclass(frozen=True)
class ImageChoice:
    """What a promotion does with each image."""

    taken: dict[str, Image]
    """What the source runs of what the target runs."""
    written: dict[str, Image]
    """Those of them that the target's file does not name yet."""
    staying: list[str]
    """What only the target runs."""
    unused: list[str]
    """What only the source runs."""

    def since(self, committed: CommittedFile) -> ImageChoice:
        """As seen from the last commit: an earlier run may have written the target's file without committing it."""
        written = {
            name: image for name, image in self.taken.items() if committed.is_altered_by(put_images({name: image}))
        }
        return replace(self, written=written)


def choose(source: StackImages, target: StackImages) -> ImageChoice:
    """Raises OpsError when the source runs nothing, or its state cannot be reached."""
    running, named = source.running, target.settings.pinned
    if not running:
        raise OpsError(
            f"{source.stack.name} runs nothing: its state names no image. Deploy it first; nothing was changed.",
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
    """Copy what the target's registry lacks; by name, what that took. Raises OpsError; what is copied stays."""
    copied: dict[str, CopyStatistics] = {}
    for name, image in images.items():
        repository = target.registries.repository(f"{target.registry}/{name}")

        def on_bytes(done: int, wanted: int, name: str = name) -> None:
            on_state(name, "copying", f"{megabytes(done)} of {megabytes(wanted)}")

        on_state(name, "checking", "")
        origin = source.registries.repository(f"{source.registry}/{name}")
        try:
            copied[name] = Copier(origin, repository, on_bytes=on_bytes).copy(image)
        except RegistryError as error:
            on_state(name, "failed", "")
            raise OpsError(
                f"{name} {image.version} was not copied: {error}\nNo file was changed. What was copied stays in the "
                "registry, so that the next try goes on from there.",
                ExitCode.FAILED,
            ) from None
        on_state(name, "done", image.digest)
    return copied


def megabytes(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB"
