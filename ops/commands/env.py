"""What ``snu env`` does: preview environments."""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from ops.commands.stack import Options
from ops.display.text import safe
from ops.engines.select import EngineChoice
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.github import GitHub, Repository, read_token
from ops.previews import comment, names, wanted
from ops.previews.cloud import Cloud
from ops.previews.down import take_down
from ops.previews.parent import Parent
from ops.previews.up import Build, bring_up
from ops.stacks import project_dir

__all__ = ["Build", "Hub", "Meant", "down", "up"]


@dataclass(frozen=True)
class Meant:
    """Which environment the user means: exactly one of these."""

    pull_request: int | None
    branch: str | None
    name: str | None = None

    def require_one(self, allowed: str) -> None:
        """Raises OpsError."""
        given = [each for each in (self.pull_request, self.branch, self.name) if each is not None]
        if len(given) != 1:
            raise OpsError(f"Which environment? Give exactly one of {allowed}.", ExitCode.USAGE)


@dataclass(frozen=True)
class Hub:
    """The repository on GitHub, as the user names it."""

    repository: str | None
    api_url: str

    def connect(self, why: str) -> GitHub:
        """Raises OpsError where no repository is named or there is no token."""
        if not self.repository:
            raise OpsError(f"{why} Give --repo OWNER/NAME, or set GITHUB_REPOSITORY.", ExitCode.USAGE)
        return GitHub(Repository(self.repository, self.api_url), read_token(os.environ))

    @property
    def named(self) -> str:
        """Empty where none is. Raises OpsError for what cannot be a repository."""
        return Repository(self.repository, self.api_url).name if self.repository else ""


def up(
    directory: Path | None,
    meant: Meant,
    hub: Hub,
    engine: EngineChoice,
    build: Build,
    options: Options,
    *,
    as_json: bool,
) -> ExitCode:
    """Raises OpsError, of the status NOT_WANTED where there is to be no environment."""
    meant.require_one("--pr and --branch")
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        parent = Parent.find(project_dir(directory), os.environ)
        rules = parent.rules
        if meant.pull_request is not None:
            github = hub.connect("Whether the pull request is open, GitHub says.")
            one = wanted.of_pull_request(parent.template, rules, github, meant.pull_request)
        else:
            one = wanted.of_branch(parent.template, meant.branch or "", hub.named)
        made = bring_up(parent, Cloud(parent), one, engine, build, options)
    if as_json:
        images = {app: image.model_dump() for app, image in made.images.items()}
        print(json.dumps({"name": made.name, "urls": made.urls, "images": images}, indent=2))
    else:
        print(f"{made.name} is up: {' '.join(made.urls.values()) or 'no app of it has a URL'}")
    return ExitCode.OK


def down(directory: Path | None, meant: Meant, hub: Hub, engine: EngineChoice, lock_timeout: float) -> ExitCode:
    """Raises OpsError when something is left, or the name is none of a preview environment."""
    meant.require_one("--pr, --branch and NAME")
    parent = Parent.find(project_dir(directory), os.environ)
    name = _name(parent, meant)
    done = take_down(parent, Cloud(parent), name, engine, lock_timeout)
    print(f"{name} is taken down." if done.was_there else f"{name} is gone already.")
    number = names.pull_request_of(name)
    if number is not None and _may_comment(hub):
        github = hub.connect("")
        text = comment.gone(name, "Nothing of it is left in the cloud.")
        written = comment.write(github, number, name, text, create=False)
        print(f"Comment on {github.repository}#{number} {written.outcome}{written.url and f': {written.url}'}")
    return ExitCode.OK


def _name(parent: Parent, meant: Meant) -> str:
    if meant.pull_request is not None:
        return wanted.pull_request_name(parent.template, meant.pull_request)
    if meant.branch is not None:
        return wanted.branch_name(parent.template, meant.branch)
    name = meant.name or ""
    if not names.is_preview(name):
        raise OpsError(
            f"{safe(name)!r} is no name of a preview environment; expected pr-<number> or br-<slug>-<8 hex digits>. "
            "Nothing was changed.",
            ExitCode.USAGE,
        )
    return name


def _may_comment(hub: Hub) -> bool:
    """Whether GitHub was named, and there is a token: to take an environment down needs neither."""
    from ops.github import TOKEN, TOKEN_FILE

    return bool(hub.repository) and any(os.environ.get(variable) for variable in (TOKEN, TOKEN_FILE))
