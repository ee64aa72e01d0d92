"""Rollback: restores an earlier release's images and variables in the stack's current file."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from infra.settings import Image
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.stack_images import StackImages
from ops.plans.ledger import ApplyOutcome, Ledger, LedgerEntry
from ops.releases.committed_file import CommittedFile
from ops.releases.release import Release
from ops.stack_file import edit
from ops.stacks import settings_of
from pulumi_state.errors import PulumiError
from pulumi_state.stack_file import StackFile
from pulumi_state.store import StoreError

VARIABLES = ("variablesFrom", "variables", "documentVariables", "secretVariables")
"""App settings that are restored along with the image."""

NOT_ROLLED_BACK = """\
Not rolled back: databases and their migrations; values in the secret document; sizes, scaling, hosts and probes of
apps; schedules, sizes and variables of jobs (although jobs run their earlier image); apps added or removed since; the
Pulumi program.
"""


@dataclass(frozen=True)
class RollbackTarget:
    """The images and variables that a rollback to a release restores."""

    release: Release
    images: dict[str, Image]
    """Images that are also in the stack's current file."""
    variables: dict[str, dict[str, Any]]
    """The ``VARIABLES`` settings of each current app at that release."""
    newer: list[str]
    """Images that are not in the release; they are kept."""
    gone: list[str]
    """Images that are only in the release."""

    def put(self, config: Any) -> None:
        """Apply the target to the ``config`` mapping of the stack's file."""
        for name, image in self.images.items():
            config["snu:images"][name].update(image.model_dump())
        for name, variables in self.variables.items():
            app = config["snu:apps"][name]
            for key in VARIABLES:
                if key not in variables:
                    app.pop(key, None)
                elif key not in app or app[key] != variables[key]:
                    app[key] = deepcopy(variables[key])


def release_before(environment: StackImages, committed: CommittedFile, releases: list[Release]) -> Release:
    """The release before the running one, or the latest release if a later deployment was not recorded as a release.

    ``releases``: newest first. A release that was itself a rollback counts as the release it restored, so a second
    rollback goes back further. Raises OpsError if there is no earlier release.
    """
    name = environment.stack.name
    if not releases:
        raise OpsError(
            f"This clone has no earlier release of {name}. `scripts/snu apply` records releases as Git tags; run "
            "`git fetch --tags` to fetch them.",
            ExitCode.FAILED,
        )
    if not _runs(environment, releases[0]):
        return releases[0]
    alike = [each for each in releases if each.images == releases[0].images]
    current = _restored(committed, releases[0])
    oldest = [each for each in alike if _restored(committed, each) == current][-1]
    earlier = releases[releases.index(oldest) + 1 :]
    if not earlier:
        raise OpsError(f"{name} runs {releases[0].name} and has no earlier release to roll back to.", ExitCode.FAILED)
    return earlier[0]


def rollback_target(release: Release, releases: list[Release]) -> Release | None:
    """The release whose images ``release`` restored; None if it was not a rollback. ``releases``: newest first."""
    older = [each for each in releases if each.order < release.order]
    if not older or older[0].images == release.images:
        return None
    return next((each for each in older if each.images == release.images), None)


def _runs(environment: StackImages, newest: Release) -> bool:
    """Whether the latest release is also the last deployment."""
    last = _last_applied(environment)
    if last is not None and last.plan != newest.plan_id:
        return False
    return all(newest.images.get(name) == image for name, image in environment.running.items())


def _last_applied(environment: StackImages) -> LedgerEntry | None:
    """The ledger's latest apply. Raises OpsError if the store cannot be read."""
    try:
        entries = Ledger(environment.store, environment.project, environment.stack.name).entries()
    except StoreError as error:
        raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
    applied = [entry for entry in entries if entry.outcome != ApplyOutcome.DISCARDED]
    return max(applied, key=lambda entry: entry.begun, default=None)


def target_of(environment: StackImages, committed: CommittedFile, release: Release) -> RollbackTarget:
    """Raises OpsError if the release's commit is unknown locally or an image is no longer in the registry."""
    config = _config_at(committed, release)
    named = environment.settings.pinned
    images = {name: release.images[name] for name in sorted(named.keys() & release.images.keys())}
    _require_images(environment, release, images)
    return RollbackTarget(
        release,
        images,
        variables=_variables(config, environment.settings.apps),
        newer=sorted(named.keys() - release.images.keys()),
        gone=sorted(release.images.keys() - named.keys()),
    )


def _require_images(environment: StackImages, release: Release, images: Mapping[str, Image]) -> None:
    missing = [
        f"{environment.registry}/{name}@{image.digest} (version {image.version})"
        for name, image in images.items()
        if not environment.registries.has(f"{environment.registry}/{name}@{image.digest}")
    ]
    if missing:
        listed = "".join(f"\n  {each}" for each in missing)
        raise OpsError(
            f"{release.name} cannot be restored because these images are no longer in the registry:{listed}\nChoose a "
            "later release with --to, or deploy a fix. Nothing was changed.",
            ExitCode.FAILED,
        )


def write(environment: StackImages, target: RollbackTarget) -> bool:
    """Write the target to the stack's file; returns whether the file changed.

    Raises OpsError and leaves the file unchanged if the variables do not match the current settings.
    """
    file = environment.stack.file
    before = file.read_bytes()
    changed = edit(file, target.put)
    if changed:
        try:
            settings_of(environment.stack)
        except OpsError as error:
            file.write_bytes(before)
            raise OpsError(
                f"The variables of {target.release.name} do not match the settings of {environment.stack.name}:\n"
                f"{error}\nNothing was changed.",
                ExitCode.SETTINGS,
            ) from error
    return changed


def _restored(committed: CommittedFile, release: Release) -> object:
    """The images and variables that a rollback to the release restores, for comparison."""
    config = _config(committed, release) or {}
    return release.images, _variables(config, config.get("snu:apps") or {})


def _config(committed: CommittedFile, release: Release) -> dict[str, Any] | None:
    """Like `_config_at`, but returns None if the file cannot be read."""
    try:
        return _config_at(committed, release)
    except OpsError:
        return None


def _config_at(committed: CommittedFile, release: Release) -> dict[str, Any]:
    """The configuration in the stack's file at a release, including comments.

    Raises OpsError if the commit is unknown locally or its file is invalid.
    """
    from ruamel.yaml import YAML

    text = committed.text_at(release.commit)
    if text is None:
        raise OpsError(
            f"{release.name} is at commit {release.commit[:12]}, but this clone lacks its {committed.name}. Run "
            "`git fetch --unshallow --tags`.",
            ExitCode.FAILED,
        )
    try:
        StackFile.parse(text, committed.name)
    except PulumiError as error:
        raise OpsError(f"The stack file of {release.name} is invalid:\n{error}", ExitCode.SETTINGS) from None
    config: dict[str, Any] = YAML().load(text)["config"] or {}
    return config


def _variables(config: Mapping[str, Any], apps: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    had = config.get("snu:apps") or {}
    return {name: {key: had[name][key] for key in VARIABLES if key in had[name]} for name in apps if name in had}
