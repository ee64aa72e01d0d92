"""API keys that people and CI work with: of the applications that a foundation makes, and in no state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra import naming
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.catalogue import API_KEY, APPLICATION, PROJECT
from ops.scaleway.client import Client, Object
from ops.stacks import Stack, find_stack, settings_of, stack_names

if TYPE_CHECKING:
    from infra.settings import FoundationSettings


@dataclass(frozen=True)
class Holder:
    """An application whose keys are handed out."""

    application: str
    purpose: str
    github: tuple[str, ...] = ()
    """The GitHub environments whose jobs use a key of it as `SCW_ACCESS_KEY` and `SCW_SECRET_KEY`."""
    github_source: tuple[str, ...] = ()
    """Those whose jobs use it as `SNU_SOURCE_ACCESS_KEY` and `SNU_SOURCE_SECRET_KEY`."""


def foundation_settings(stack: Stack) -> FoundationSettings:
    """Raises OpsError for an environment."""
    from infra.settings import FoundationSettings

    settings = settings_of(stack)
    if not isinstance(settings, FoundationSettings):
        foundation = settings.environment.foundation
        raise OpsError(
            f"{stack.name} is an environment: its applications belong to its foundation. Run "
            f"`scripts/snu keys list {foundation}`.",
            ExitCode.USAGE,
        )
    return settings


def holders(stack: Stack, settings: FoundationSettings) -> list[Holder]:
    """The applications of a foundation whose keys are handed out."""
    configs = {name: find_stack(stack.project_dir, name).config for name in stack_names(stack.project_dir)}
    sources = {name: config.get("snu:promoteFrom") for name, config in configs.items()}
    project, found = settings.project.name, list[Holder]()
    for environment in settings.environments:
        name = _stack_of(environment, configs)
        promoted = sources.get(name)
        # What is approved before it is applied is planned by a job of its own.
        deploying = (name, f"{name}-plan") if promoted is not None and sources.get(promoted) else (name,)
        targets = [_planned_in(target, sources) for target, source in sources.items() if source == name]
        preview, reader = naming.preview_application(environment), naming.secret_reader_application(environment)
        found += [
            Holder(naming.deploy_application(environment), f"deploys {name}", deploying),
            Holder(preview, f"previews {name}, and writes nothing", (f"preview-{name}",), tuple(targets)),
            Holder(reader, f"reads the secret document of {name}, and nothing else"),
        ]
    if settings.previews:
        found.append(Holder(naming.previews_application(project), "deploys preview environments", ("previews",)))
    preview = naming.foundation_preview_application(project)
    found.append(Holder(preview, f"previews {stack.name}, and writes nothing", (f"preview-{stack.name}",)))
    return found


def _planned_in(target: str, sources: Mapping[str, str | None]) -> str:
    """The GitHub environment in which images are promoted to a stack."""
    return f"{target}-plan" if sources.get(sources.get(target) or "") else target


def _stack_of(environment: str, configs: Mapping[str, Mapping[str, Any]]) -> str:
    """The stack that is an environment, whose name may be another."""
    for name, config in configs.items():
        identity = config.get("snu:environment")
        if isinstance(identity, Mapping) and identity.get("name") == environment:
            return name
    return environment


class HandedOut:
    """The keys of a foundation's applications on Scaleway. Requests raise ScalewayError."""

    def __init__(self, settings: FoundationSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._organization = {"organization_id": settings.organization_id}

    def existing(self) -> Iterator[tuple[str, Object]]:
        """Each key with the id of its application."""
        for key in self._client.list(API_KEY.listing, self._organization):
            if application := key.get("application_id"):
                yield application, key

    def application_ids(self) -> dict[str, str]:
        """The ids of the organization's applications, by name."""
        return {each["name"]: each["id"] for each in self._client.list(APPLICATION.listing, self._organization)}

    def make(self, application: str) -> tuple[str, str]:
        """Access key and secret key of a new key. Raises OpsError if the foundation has not made the application."""
        name = naming.project(self._settings.project.name)
        projects = [each for each in self._client.list(PROJECT.listing, self._organization) if each["name"] == name]
        application_id = self.application_ids().get(application)
        if application_id is None or not projects:
            missing = f"application {application}" if projects else f"project {name}"
            raise OpsError(
                f"There is no {missing} yet: bring the foundation up first. Nothing was changed.", ExitCode.FAILED
            )
        expires = self._settings.api_keys_expire_on
        body = {
            "application_id": application_id,
            "default_project_id": projects[0]["id"],
            "description": naming.HANDED_OUT_KEY,
            **({"expires_at": f"{expires}T00:00:00Z"} if expires else {}),
        }
        made = self._client.post(API_KEY.listing.path, body)
        return made["access_key"], made["secret_key"]

    def revoke(self, access_key: str) -> None:
        self._client.delete(API_KEY.listing.object_at(id=access_key))
