"""An earlier release's images and variables, written into the stack's file of today."""

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
"""Of an app, what goes back with its image."""

NOT_ROLLED_BACK = """\
Not rolled back: what is in databases, and migrations that changed them; the values in the secret document; sizes,
scaling, hosts and probes of the apps; schedules, sizes and variables of the jobs, which run their earlier image; apps
that came or went since; and the program itself.
"""


@dataclass(frozen=True)
class RollbackTarget:
    """A release, as far as it can be gone back to."""

    release: Release
    images: dict[str, Image]
    """Of what the stack's file names today."""
    variables: dict[str, dict[str, Any]]
    """By app that there is today, those of ``VARIABLES`` that it had."""
    newer: list[str]
    """Images that the release did not have; they stay as they are."""
    gone: list[str]
    """Images that only the release had."""

    def put(self, config: Any) -> None:
        """Write it into the mapping under ``config`` of the stack's file."""
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
    """The one that is one back from what runs: the newest, where the last deploy after it did not become one.

    ``releases``: the newest first. A release that was itself a way back counts as what it went back to, so that going
    back twice goes back further. Raises OpsError where there is none.
    """
    name = environment.stack.name
    if not releases:
        raise OpsError(
            f"{name} has no release to go back to: `scripts/snu apply` records them as tags of git. Fetch them with "
            "`git fetch --tags`, if there are any.",
            ExitCode.FAILED,
        )
    if not _runs(environment, releases[0]):
        return releases[0]
    alike = [each for each in releases if each.images == releases[0].images]
    present = _content(committed, releases[0])
    oldest = [each for each in alike if _content(committed, each) == present][-1]
    earlier = releases[releases.index(oldest) + 1 :]
    if not earlier:
        raise OpsError(
            f"{name} runs {releases[0].name}, and there is no other release before it to go back to.", ExitCode.FAILED
        )
    return earlier[0]


def rollback_target(release: Release, releases: list[Release]) -> Release | None:
    """The release whose images ``release`` restored; None if it was not a rollback. ``releases``: newest first."""
    older = [each for each in releases if each.order < release.order]
    if not older or older[0].images == release.images:
        return None
    return next((each for each in older if each.images == release.images), None)


def _runs(environment: StackImages, newest: Release) -> bool:
    """Whether the last deploy became the newest release, and nothing else was done since."""
    last = _last_applied(environment)
    if last is not None and last.plan != newest.plan_id:
        return False
    return all(newest.images.get(name) == image for name, image in environment.running.items())


def _last_applied(environment: StackImages) -> LedgerEntry | None:
    """What the ledger has of the last plan that was begun. Raises OpsError when the store does not say."""
    try:
        entries = Ledger(environment.store, environment.project, environment.stack.name).entries()
    except StoreError as error:
        raise OpsError(str(error), ExitCode.ENVIRONMENT) from None
    applied = [entry for entry in entries if entry.outcome != ApplyOutcome.DISCARDED]
    return max(applied, key=lambda entry: entry.begun, default=None)


def earlier(environment: StackImages, committed: CommittedFile, release: Release) -> RollbackTarget:
    """Raises OpsError when the release's commit is not known here, or an image of it is gone from the registry."""
    config = _config_at(committed, release)
    named = environment.settings.pinned
    images = {name: release.images[name] for name in sorted(named.keys() & release.images.keys())}
    _require_there(environment, release, images)
    return RollbackTarget(
        release,
        images,
        variables=_variables(config, environment.settings.apps),
        newer=sorted(named.keys() - release.images.keys()),
        gone=sorted(release.images.keys() - named.keys()),
    )


def _require_there(environment: StackImages, release: Release, images: Mapping[str, Image]) -> None:
    missing = [
        f"{environment.registry}/{name}@{image.digest} (version {image.version})"
        for name, image in images.items()
        if not environment.registries.has(f"{environment.registry}/{name}@{image.digest}")
    ]
    if missing:
        listed = "".join(f"\n  {each}" for each in missing)
        raise OpsError(
            f"{release.name} cannot be gone back to, as images of it are gone from the registry:{listed}\nChoose a "
            "later release with --to, or deploy a fix. Nothing was changed.",
            ExitCode.FAILED,
        )


def write(environment: StackImages, found: RollbackTarget) -> bool:
    """Write it into the stack's file; gives whether that changed anything.

    Raises OpsError, with the file as it was, when its variables do not fit the stack of today.
    """
    file = environment.stack.file
    before = file.read_bytes()
    changed = edit(file, found.put)
    if changed:
        try:
            settings_of(environment.stack)
        except OpsError as error:
            file.write_bytes(before)
            raise OpsError(
                f"The variables of {found.release.name} do not fit what {environment.stack.name} is today:\n{error}",
                ExitCode.SETTINGS,
            ) from error
    return changed


def _content(committed: CommittedFile, release: Release) -> object:
    """What of a release is gone back to: two releases with the same are the same way back."""
    config = _config(committed, release) or {}
    return release.images, _variables(config, config.get("snu:apps") or {})


def _config(committed: CommittedFile, release: Release) -> dict[str, Any] | None:
    """As `_config_at`, but None where the file cannot be read."""
    try:
        return _config_at(committed, release)
    except OpsError:
        return None


def _config_at(committed: CommittedFile, release: Release) -> dict[str, Any]:
    """The configuration in the stack's file at a release, with its comments, to be written into another file.

    Raises OpsError where the commit is not known here or its file is refused.
    """
    from ruamel.yaml import YAML

    text = committed.text_at(release.commit)
    if text is None:
        raise OpsError(
            f"{release.name} is of commit {release.commit[:12]}, whose {committed.name} is not known here: fetch the "
            "whole history (`git fetch --unshallow --tags`).",
            ExitCode.FAILED,
        )
    try:
        StackFile.parse(text, committed.name)
    except PulumiError as error:
        raise OpsError(f"The stack file of {release.name} is refused:\n{error}", ExitCode.SETTINGS) from None
    config: dict[str, Any] = YAML().load(text)["config"] or {}
    return config


def _variables(config: Mapping[str, Any], apps: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    had = config.get("snu:apps") or {}
    return {name: {key: had[name][key] for key in VARIABLES if key in had[name]} for name in apps if name in had}
