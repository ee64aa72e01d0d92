"""API keys of a foundation's applications. An owner creates them outside Pulumi, so they are not in any state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    """An application, and where its keys are used."""

    application: str
    purpose: str
    secret: str = ""
    """The secret in which `snu keys store` stores the application's key; empty if the keys are issued to people and
    CI."""
    github: tuple[str, ...] = ()
    """GitHub environments whose jobs use the key as `SCW_ACCESS_KEY` and `SCW_SECRET_KEY`."""
    github_source: tuple[str, ...] = ()
    """GitHub environments whose jobs use the key as `SNU_SOURCE_ACCESS_KEY` and `SNU_SOURCE_SECRET_KEY`."""


def foundation_settings(stack: Stack) -> FoundationSettings:
    """The settings of a foundation. Raises OpsError for an environment."""
    from infra.settings import FoundationSettings

    settings = settings_of(stack)
    if not isinstance(settings, FoundationSettings):
        foundation = settings.environment.foundation
        raise OpsError(
            f"{stack.name} is an environment; its API keys are managed through its foundation. Run "
            f"`scripts/snu keys list {foundation}`.",
            ExitCode.USAGE,
        )
    return settings


def holders(stack: Stack, settings: FoundationSettings) -> list[KeyHolder]:
    """A foundation's applications that have keys."""
    configs = {name: find_stack(stack.project_dir, name).config for name in stack_names(stack.project_dir)}
    sources = {name: config.get("snu:promoteFrom") for name, config in configs.items()}
    project, key_holders = settings.project.name, list[KeyHolder]()
    for environment in settings.environments:
        name = _stack_of(environment, configs)
        promoted = sources.get(name)
        # Where applying needs an approval, a separate job makes the plan.
        deploying = (name, f"{name}-plan") if promoted is not None and sources.get(promoted) else (name,)
        targets = [_planned_in(target, sources) for target, source in sources.items() if source == name]
        preview, reader = naming.preview_application(environment), naming.secret_reader_application(environment)
        key_holders += [
            KeyHolder(naming.deploy_application(environment), f"deploys {name}", github=deploying),
            KeyHolder(
                preview,
                f"previews {name}, read-only",
                github=(f"preview-{name}",),
                github_source=tuple(targets),
            ),
            KeyHolder(reader, f"reads only the secret document of {name}"),
            KeyHolder(naming.logs_application(environment), f"reads only the logs of {name}"),
        ]
    if settings.previews:
        previews = naming.previews_application(project)
        key_holders.append(KeyHolder(previews, "deploys preview environments", github=("previews",)))
    preview = naming.foundation_preview_application(project)
    key_holders.append(KeyHolder(preview, f"previews {stack.name}, read-only", github=(f"preview-{stack.name}",)))
    has_backend_secrets = backend_of(stack).kind is BackendKind.FOUNDATION
    for environment, backend in settings.environments.items():
        if has_backend_secrets and (state_writer := state_application(environment, backend.database)):
            writer, reader = naming.environment_state_secret(environment), naming.state_reader_secret(environment)
            key_holders += [
                KeyHolder(state_writer, f"writes the state of {environment}", writer),
                KeyHolder(naming.state_reader(state_writer), f"reads the state of {environment}", reader),
            ]
        if backend.release_commands:
            starter, secret = naming.release_application(environment), naming.release_secret(environment)
            key_holders.append(KeyHolder(starter, f"runs release commands of {environment}", secret))
        alerts = naming.alerts_application(environment)
        key_holders.append(KeyHolder(alerts, f"reports crashes of {environment}", naming.alerts_secret(environment)))
    return key_holders


def state_application(environment: str, backend: Backend) -> str:
    """The application that can access an environment's state.

    Empty if the state is in a database instance, which is accessed with a password.
    """
    match backend.kind:
        case "bucket":
            return naming.state_bucket_application(environment)
        case "serverless":
            return naming.state_application(environment)
    return ""


def _planned_in(target: str, sources: Mapping[str, str | None]) -> str:
    """The GitHub environment of the job that promotes images to a stack."""
    return f"{target}-plan" if sources.get(sources.get(target) or "") else target


def _stack_of(environment: str, configs: Mapping[str, Mapping[str, Any]]) -> str:
    """The name of an environment's stack, which may differ from the environment's name."""
    for name, config in configs.items():
        identity = config.get("snu:environment")
        if isinstance(identity, Mapping) and identity.get("name") == environment:
            return name
    return environment


def is_current(key: Object, expires_on: str | None) -> bool:
    """Whether `snu keys` created the key with this expiry date in ISO format, or without one if it is None."""
    return key["description"] == naming.HANDED_OUT_KEY and (str(key.get("expires_at") or "")[:10] or None) == expires_on


def keys_by_application(keys: Iterable[Object], application_ids: Mapping[str, str]) -> dict[str, list[Object]]:
    """API keys by application name. ``application_ids``: ids by name."""
    names = {id_: name for name, id_ in application_ids.items()}
    found: dict[str, list[Object]] = {}
    for key in keys:
        if name := names.get(key.get("application_id") or ""):
            found.setdefault(name, []).append(key)
    return found


class ApplicationKeys:
    """The keys of a foundation's applications on Scaleway. Requests raise ScalewayError."""

    def __init__(self, settings: FoundationSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._organization = {"organization_id": settings.organization_id}

    def existing(self) -> Iterator[tuple[str, Object]]:
        """All applications' keys, each with its application's id."""
        for key in self._client.list(API_KEY.listing, self._organization):
            if application := key.get("application_id"):
                yield application, key

    @cached_property
    def application_ids(self) -> Mapping[str, str]:
        """Ids of the organization's applications by name."""
        return {each["name"]: each["id"] for each in self._client.list(APPLICATION.listing, self._organization)}

    def id_of(self, application: str) -> str:
        """Id of one of the foundation's applications. Raises OpsError if it does not exist yet."""
        if application not in self.application_ids:
            raise self._missing(f"application {application}")
        return self.application_ids[application]

    @cached_property
    def project_id(self) -> str:
        """Id of the foundation's project. Raises OpsError if it does not exist yet."""
        name = naming.project(self._settings.project.name)
        for each in self._client.list(PROJECT.listing, self._organization):
            if each["name"] == name:
                return str(each["id"])
        raise self._missing(f"project {name}")

    @staticmethod
    def _missing(missing: str) -> OpsError:
        return OpsError(f"The {missing} does not exist yet. Deploy the foundation first.", ExitCode.FAILED)

    def make(self, application: str, description: str = naming.HANDED_OUT_KEY) -> KeyPair:
        """Create a key. Raises OpsError if the application does not exist yet."""
        expires = self.expires_on
        body = {
            "application_id": self.id_of(application),
            "default_project_id": self.project_id,
            "description": description,
            **({"expires_at": f"{expires}T00:00:00Z"} if expires else {}),
        }
        key = self._client.post(API_KEY.listing.path, body)
        return KeyPair(key["access_key"], key["secret_key"])

    def keys_of(self, application: str) -> dict[str, Object]:
        """An application's keys, by access key. Raises OpsError like ``make``."""
        id_ = self.id_of(application)
        return {key["access_key"]: key for owner, key in self.existing() if owner == id_}

    @property
    def expires_on(self) -> str | None:
        """The date on which new keys expire, in ISO format; None if they do not expire."""
        return self._settings.api_keys_expire_on

    def is_current(self, key: Object) -> bool:
        """Whether `snu keys` created the key and its expiry date matches the settings."""
        return is_current(key, self.expires_on)

    def describe(self, access_key: str, description: str) -> None:
        """Replace a key's description."""
        self._client.patch(API_KEY.listing.object_at(id=access_key), {"description": description})

    def revoke(self, access_key: str) -> None:
        self._client.delete(API_KEY.listing.object_at(id=access_key))
