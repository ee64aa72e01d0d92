"""BuildKit options for the secrets and the layer cache in `images.yaml`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from infra.settings.images import BuildCache, BuildSecret, ImageSources
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.docker import BuildKitOptions

_RESERVED = ("ACTIONS_", "AWS_", "GH_", "GITHUB_", "PULUMI_", "RUNNER_", "SCW_", "SLACK_", "SNU_")
"""Prefixes of variables that no build may read: a pull request can change images.yaml and the Dockerfile."""
_MIN_LINE = 6
"""Minimum length, in characters, of a multi-line secret's lines to mask; shorter ones, such as ``}``, are harmless."""
_CACHE_STEP = re.compile(r"#(\d+) (importing|exporting) cache ")
_STEP_ERROR = re.compile(r"#(\d+) ERROR: (.*)")
_NO_CACHE_YET = ": not found"


class _UnusableError(Exception):
    """The reason why a secret cannot be used."""


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
        values: list[str] = []
        for secret in secrets:
            try:
                values.append(_value(secret, root, environ))
            except _UnusableError as error:
                problems.append(f"\n  {name}: {secret.id}: {error}")
        if secrets or sources.cache != BuildCache():
            found[name] = BuildKitOptions(
                secrets=[_argument(each, root) for each in secrets],
                variables={each.env: environ.get(each.env, "") for each in secrets if each.env},
                hidden=_hidden(values),
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
    """The value of ``--secret``, in CSV. It only refers to the secret."""
    line = io.StringIO()
    source = f"env={secret.env}" if secret.env else f"src={_path(secret, root)}"
    csv.writer(line, lineterminator="").writerow([f"id={secret.id}", source])
    return line.getvalue()


def _value(secret: BuildSecret, root: Path, environ: Mapping[str, str]) -> str:
    """The secret itself. Raises _UnusableError."""
    if secret.env:
        if secret.env.startswith(_RESERVED):
            raise _UnusableError(
                f"the variable {secret.env} may contain a deployment's credentials; use another variable"
            )
        if not environ.get(secret.env):
            raise _UnusableError(f"the variable {secret.env} is not set")
        return environ[secret.env]
    path = _path(secret, root)
    if not path.is_relative_to(root.resolve()) or path.is_relative_to(root.resolve() / ".git"):
        raise _UnusableError(f"the file {secret.file} is outside the repository, or in .git")
    if not path.is_file():
        raise _UnusableError(f"the file {secret.file} does not exist")
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise _UnusableError(f"the file {secret.file} cannot be read: {error.strerror}") from None


def _hidden(values: list[str]) -> list[str]:
    """The strings to mask in a build's output: single-line secrets, and all but very short lines of others.

    Output is masked line by line, so a secret with several lines would never match as a whole.
    """
    found: set[str] = set()
    for value in values:
        lines = [line.strip() for line in value.splitlines() if line.strip()]
        found.update(line for line in lines if len(lines) == 1 or len(line) >= _MIN_LINE)
    return sorted(found, key=len, reverse=True)


def _path(secret: BuildSecret, root: Path) -> Path:
    """The file, with symbolic links resolved."""
    return (root / str(secret.file)).resolve()


def cache_problems(output: Iterable[str]) -> Iterator[str]:
    """The reasons in a build's output why it did not use its layer cache. Such a build continues without the cache."""
    results: dict[str, str] = {}
    for line in output:
        if step := _CACHE_STEP.match(line):
            results[step[1]] = "read" if step[2] == "importing" else "written"
        elif (error := _STEP_ERROR.match(line)) and error[1] in results:
            result = results.pop(error[1])
            if result == "written" or not error[2].endswith(_NO_CACHE_YET):
                yield f"the layer cache was not {result}: {error[2]}"
