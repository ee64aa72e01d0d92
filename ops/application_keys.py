"""API keys of the applications that a foundation makes. They are in no state: an owner makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from infra import naming
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.catalogue import API_KEY, APPLICATION, PROJECT
from ops.scaleway.client import Client, Object
from ops.stacks import Stack, find_stack, settings_of, stack_names
from ops.state.backend import BackendKind, backend_of
from ops.state.backend_document import KeyPair

if TYPE_CHECKING:
    from infra.settings import FoundationSettings
    from infra.settings.models import Backend


@dataclass(frozen=True)
class KeyHolder:
    """An application, and where its keys are."""

    application: str
    purpose: str
    secret: str = ""
    """The secret that has its key, which `snu keys store` makes. Without one, keys are handed out to people and CI."""
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


def holders(stack: Stack, settings: FoundationSettings) -> list[KeyHolder]:
    """The applications of a foundation."""
    configs = {name: find_stack(stack.project_dir, name).config for name in stack_names(stack.project_dir)}
    sources = {name: config.get("snu:promoteFrom") for name, config in configs.items()}
    project, found = settings.project.name, list[KeyHolder]()
    for environment in settings.environments:
        name = _stack_of(environment, configs)
        promoted = sources.get(name)
        # What is approved before it is applied is planned by a job of its own.
        deploying = (name, f"{name}-plan") if promoted is not None and sources.get(promoted) else (name,)
        targets = [_planned_in(target, sources) for target, source in sources.items() if source == name]
        preview, reader = naming.preview_application(environment), naming.secret_reader_application(environment)
        found += [
            KeyHolder(naming.deploy_application(environment), f"deploys {name}", github=deploying),
            KeyHolder(
                preview,
                f"previews {name}, and writes nothing",
                github=(f"preview-{name}",),
                github_source=tuple(targets),
            ),
            KeyHolder(reader, f"reads the secret document of {name}, and nothing else"),
        ]
    if settings.previews:
        previews = naming.previews_application(project)
        found.append(KeyHolder(previews, "deploys preview environments", github=("previews",)))
    preview = naming.foundation_preview_application(project)
    found.append(KeyHolder(preview, f"previews {stack.name}, and writes nothing", github=(f"preview-{stack.name}",)))
    has_documents = backend_of(stack).kind is BackendKind.FOUNDATION
    for environment, kept in settings.environments.items():
        if has_documents and (keeper := state_application(environment, kept.database)):
            writer, reader = naming.environment_state_secret(environment), naming.state_reader_secret(environment)
            found += [
                KeyHolder(keeper, f"keeps the state of {environment}", writer),
                KeyHolder(naming.state_reader(keeper), f"reads the state of {environment}", reader),
            ]
        alerts = naming.alerts_application(environment)
        found.append(KeyHolder(alerts, f"looks for crashes of {environment}", naming.alerts_secret(environment)))
    return found


def state_application(environment: str, backend: Backend) -> str:
    """The application that keeps an environment's state; empty for a database instance, whose logins are passwords."""
    match backend.kind:
        case "bucket":
            return naming.state_bucket_application(environment)
        case "serverless":
            return naming.state_application(environment)
    return ""


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


class ApplicationKeys:
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

    @cached_property
    def application_ids(self) -> Mapping[str, str]:
        """The ids of the organization's applications, by name."""
        return {each["name"]: each["id"] for each in self._client.list(APPLICATION.listing, self._organization)}

    def id_of(self, application: str) -> str:
        """The id of one of the foundation's applications. Raises OpsError if it has not made it."""
        if application not in self.application_ids:
            raise self._not_made(f"application {application}")
        return self.application_ids[application]

    @cached_property
    def project_id(self) -> str:
        """The id of the foundation's project. Raises OpsError if it has not made it."""
        name = naming.project(self._settings.project.name)
        for each in self._client.list(PROJECT.listing, self._organization):
            if each["name"] == name:
                return str(each["id"])
        raise self._not_made(f"project {name}")

    @staticmethod
    def _not_made(missing: str) -> OpsError:
        return OpsError(
            f"There is no {missing} yet: bring the foundation up first. Nothing was changed.", ExitCode.FAILED
        )

    def make(self, application: str) -> KeyPair:
        """Make a key. Raises OpsError if the foundation has not made the application."""
        expires = self._settings.api_keys_expire_on
        body = {
            "application_id": self.id_of(application),
            "default_project_id": self.project_id,
            "description": naming.HANDED_OUT_KEY,
            **({"expires_at": f"{expires}T00:00:00Z"} if expires else {}),
        }
        made = self._client.post(API_KEY.listing.path, body)
        return KeyPair(made["access_key"], made["secret_key"])

    def keys_of(self, application: str) -> dict[str, Object]:
        """The keys of an application, by access key. Raises OpsError as ``make``."""
        id_ = self.id_of(application)
        return {key["access_key"]: key for owner, key in self.existing() if owner == id_}

    def is_current(self, key: Object) -> bool:
        """Whether a key was made by `snu keys`, so that no state has it, and expires when the settings say."""
        expires = str(key.get("expires_at") or "")[:10] or None
        return key["description"] == naming.HANDED_OUT_KEY and expires == self._settings.api_keys_expire_on

    def revoke(self, access_key: str) -> None:
        self._client.delete(API_KEY.listing.object_at(id=access_key))
