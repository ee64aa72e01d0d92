"""Live IAM objects, listed once per key: API keys with their expiry dates, and the permissions of applications."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from ops.application_keys import KeyHolder, foundation_settings, holders, keys_by_application
from ops.exit_codes import ExitCode
from ops.scaleway.catalogue import API_KEY, APPLICATION, IAM_USERS, POLICY, POLICY_RULES, PROJECT
from ops.scaleway.client import Client, Object, ScalewayError
from ops.scaleway.list_call import ListCall
from ops.scaleway.profile import Profile
from ops.stacks import Stack, find_stack

EXPIRES_SOON = timedelta(days=14)


@dataclass(frozen=True)
class ExpiringKey:
    """An API key that has expired or expires soon."""

    access_key: str
    application: str
    """Empty for a key whose owner is not an application of a foundation."""
    expires: datetime
    is_current: bool = False
    """Whether it is the key that was used for the request."""

    @property
    def has_expired(self) -> bool:
        return self.expires <= datetime.now(UTC)

    def __str__(self) -> str:
        owner = f" of {self.application}" if self.application else ""
        verb = "expired" if self.has_expired else "expires"
        return f"the API key {self.access_key}{owner} {verb} on {self.expires:%Y-%m-%d}"


def expires_soon(key: Object, application: str) -> ExpiringKey | None:
    """The key if it expires within 14 days or has expired; None otherwise."""
    expires = datetime.fromisoformat(key["expires_at"]) if key.get("expires_at") else None
    if expires is None or expires - datetime.now(UTC) >= EXPIRES_SOON:
        return None
    return ExpiringKey(str(key["access_key"]), application, expires)


@dataclass(frozen=True)
class Permissions:
    """The permission sets that an application's policies grant."""

    in_projects: Mapping[str, frozenset[str]]
    """Permission sets by project id."""
    in_organization: frozenset[str]


@dataclass(frozen=True, eq=False)
class Iam:
    """An organization's IAM objects as read with one key. A failed list request is not repeated.

    Requests raise ScalewayError.
    """

    profile: Profile
    organization_id: str
    _failed: dict[ListCall, ScalewayError] = field(default_factory=dict)

    @cached_property
    def api_keys(self) -> list[Object]:
        return self._list(API_KEY.listing)

    @cached_property
    def keys_by_application(self) -> dict[str, list[Object]]:
        """The applications' API keys, by the application's name."""
        return keys_by_application(self.api_keys, self.application_ids)

    @cached_property
    def application_ids(self) -> dict[str, str]:
        """Ids by name."""
        return {each["name"]: each["id"] for each in self._list(APPLICATION.listing)}

    @cached_property
    def project_ids(self) -> dict[str, str]:
        """Ids by name."""
        return {each["name"]: each["id"] for each in self._list(PROJECT.listing)}

    @cached_property
    def own_key(self) -> Object:
        """The API key used for the requests."""
        with self._client() as client:
            return client.get(API_KEY.listing.object_at(id=self.profile.access_key))

    def user_type(self, user_id: str) -> str:
        """``owner``, ``member`` or ``guest``."""
        with self._client() as client:
            return str(client.get(IAM_USERS.object_at(id=user_id)).get("type") or "")

    def permissions(self, application: str) -> Permissions:
        """The permissions of one of the organization's applications."""
        projects: dict[str, frozenset[str]] = {}
        organization: frozenset[str] = frozenset()
        owner = self.application_ids[application]
        for policy in self._policies:
            if policy.get("application_id") != owner:
                continue
            for rule in self._list(POLICY_RULES, {"policy_id": policy["id"]}):
                sets = frozenset(rule.get("permission_set_names") or ())
                if rule.get("organization_id"):
                    organization |= sets
                for project in rule.get("project_ids") or ():
                    projects[project] = projects.get(project, frozenset()) | sets
        return Permissions(projects, organization)

    def expiring(self, known: Iterable[KeyHolder]) -> Iterator[ExpiringKey]:
        """The holders' API keys that have expired or expire soon."""
        for name in dict.fromkeys(each.application for each in known):
            for key in self.keys_by_application.get(name, ()):
                if found := expires_soon(key, name):
                    yield found

    @cached_property
    def _policies(self) -> list[Object]:
        return self._list(POLICY.listing)

    def _list(self, call: ListCall, query: Mapping[str, str] | None = None) -> list[Object]:
        if call in self._failed:
            raise self._failed[call]
        try:
            with self._client() as client:
                return [*client.list(call, query or {"organization_id": self.organization_id})]
        except ScalewayError as error:
            self._failed[call] = error
            raise

    def _client(self) -> Client:
        return Client(self.profile, ExitCode.ENVIRONMENT)


@dataclass(frozen=True, eq=False)
class IamCache:
    """The IAM objects that several stacks share."""

    _by_key: dict[tuple[str, str, str], Iam] = field(default_factory=dict)

    def of(self, stack: Stack, environ: Mapping[str, str], organization_id: str) -> Iam:
        """Raises OpsError if there is no key."""
        profile = Profile.of(stack, environ)
        key = (profile.api_url, profile.secret_key, organization_id)
        return self._by_key.setdefault(key, Iam(profile, organization_id))


def foundation_of(stack: Stack) -> Stack:
    """The foundation of a stack; for a foundation, the stack itself. Raises OpsError."""
    environment = stack.config.get("snu:environment")
    name = environment.get("foundation") if isinstance(environment, Mapping) else None
    return find_stack(stack.project_dir, str(name)) if name else stack


def expiring_keys(stack: Stack, environ: Mapping[str, str], cache: IamCache) -> list[ExpiringKey]:
    """The keys of a stack's foundation, and the current key, if they have expired or expire soon.

    Raises OpsError if they cannot be read.
    """
    foundation = foundation_of(stack)
    settings = foundation_settings(foundation)
    iam = cache.of(stack, environ, settings.organization_id)
    current = iam.profile.access_key
    found = [
        replace(each, is_current=each.access_key == current) for each in iam.expiring(holders(foundation, settings))
    ]
    if not any(each.is_current for each in found):
        own = next((expires_soon(key, "") for key in iam.api_keys if key["access_key"] == current), None)
        found += [replace(own, is_current=True)] if own else []
    return found
