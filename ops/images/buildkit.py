"""What builds need from BuildKit: the secrets and the layer cache in `images.yaml`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from infra.settings.images import BuildCache, BuildSecret, ImageSources
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.docker import BuildKitOptions

_RESERVED = ("ACTIONS_", "AWS_", "GH_", "GITHUB_", "PULUMI_", "RUNNER_", "SCW_", "SLACK_", "SNU_")
"""Prefixes of variables that no build may read: a pull request can change images.yaml and the Dockerfile."""


def buildkit_options(
    images: Iterable[str],
    sources: ImageSources,
    root: Path,
    environ: Mapping[str, str],
    *,
    writes_cache: bool = True,
) -> dict[str, BuildKitOptions]:
    """The options of each image that needs BuildKit.

    ``root`` is the repository's root directory; ``writes_cache`` allows writing the layer cache. Raises OpsError,
    before anything is built, if a secret is missing or not allowed.
    """
    problems: list[str] = []
    found: dict[str, BuildKitOptions] = {}
    for name in images:
        secrets = sources.images[name].secrets
        problems += [f"\n  {name}: {problem}" for each in secrets if (problem := _problem(each, root, environ))]
        if secrets or sources.cache != BuildCache():
            found[name] = BuildKitOptions(
                secrets=[_argument(each, root) for each in secrets],
                variables={each.env: environ.get(each.env, "") for each in secrets if each.env},
                cache_from=f"{sources.cache.read}:{name}" if sources.cache.read else "",
                cache_to=f"{sources.cache.write}:{name}" if sources.cache.write and writes_cache else "",
            )
    if problems:
        raise OpsError(
            f"Secrets in images.yaml cannot be used:{''.join(problems)}\nNothing was built or changed.",
            ExitCode.ENVIRONMENT,
        )
    return found


def _argument(secret: BuildSecret, root: Path) -> str:
    """The value of ``--secret``, in CSV. It contains no secret."""
    line = io.StringIO()
    source = f"env={secret.env}" if secret.env else f"src={_path(secret, root)}"
    csv.writer(line, lineterminator="").writerow([f"id={secret.id}", source])
    return line.getvalue()


def _problem(secret: BuildSecret, root: Path, environ: Mapping[str, str]) -> str:
    """Why a secret cannot be used; empty if it can."""
    if secret.env:
        if secret.env.startswith(_RESERVED):
            return (
                f"{secret.id}: the variable {secret.env} may contain a deployment's credentials; use another variable"
            )
        return "" if environ.get(secret.env) else f"{secret.id}: the variable {secret.env} is not set"
    path = _path(secret, root)
    if not path.is_relative_to(root.resolve()) or path.is_relative_to(root.resolve() / ".git"):
        return f"{secret.id}: the file {secret.file} is outside the repository, or in .git"
    return "" if path.is_file() else f"{secret.id}: the file {secret.file} does not exist"


def _path(secret: BuildSecret, root: Path) -> Path:
    """The file, with symbolic links resolved."""
    return (root / str(secret.file)).resolve()
