"""What preview environments have in the cloud, found by name, whatever their states say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.previews import names
from ops.scaleway import Object, connect, message, pages
from ops.stacks import secret_key_of

if TYPE_CHECKING:
    from ops.previews.parent import Parent

_RETRY_SECONDS = (0.5, 2.0)
_POLL_SECONDS = 2.0
_LOCAL_POLL_SECONDS = 0.1
_DELETING = "deleting"
_DELETING_SECONDS = 180.0
_SETTLE_SECONDS = 15.0
"""How long a list may show what is gone already."""


class Kind(StrEnum):
    """Of what preview environments have, in the order in which it is removed."""

    DOMAIN = "domain"
    CONTAINER = "container"
    RECORD = "record"
    SECRET = "secret"  # noqa: S105 - a kind


@dataclass(frozen=True)
class Thing:
    """Something in the cloud that a preview environment has."""

    kind: Kind
    name: str
    id: str
    preview: str
    status: str = ""
    error_message: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Found:
    """What is there."""

    things: tuple[Thing, ...]
    unknown: tuple[str, ...]
    """Containers of the namespace that previews share whose names are no preview environment's."""

    def of(self, *previews: str) -> list[Thing]:
        return [each for each in self.things if each.preview in previews]


class Cloud:
    """Scaleway as far as preview environments are concerned."""

    def __init__(self, parent: Parent) -> None:
        """Raises OpsError when there is no key to ask with, or the foundation is not up."""
        stack = parent.stack
        token = secret_key_of(stack, parent.environ)
        if not token:
            raise OpsError(
                "What preview environments have in the cloud is not known: there is no key to ask Scaleway with. Set "
                "SCW_SECRET_KEY.",
                ExitCode.ENVIRONMENT,
            )
        self._template = parent.template
        self._project_id = parent.project_id
        region, _, self._namespace_id = parent.namespace_id.rpartition("/")
        self._containers = f"/containers/v1/regions/{region}"
        self._secrets = f"/secret-manager/v1beta1/regions/{region}/secrets"
        self._records = f"/domain/v2beta1/dns-zones/{self._template.zone}/records"
        self._client = connect(stack, parent.environ, token)
        self._poll_seconds = _LOCAL_POLL_SECONDS if stack.is_local else _POLL_SECONDS
        self._settle_seconds = 0.0 if stack.is_local else _SETTLE_SECONDS

    def look(self) -> Found:
        """All that preview environments have. Raises OpsError when Scaleway does not say."""
        listed = list(self._listed(f"{self._containers}/containers", "containers", namespace_id=self._namespace_id))
        containers = [
            Thing(
                Kind.CONTAINER,
                each["name"],
                each["id"],
                names.of_container(each["name"]) or "",
                str(each.get("status") or ""),
                str(each.get("error_message") or ""),
            )
            for each in listed
        ]
        owners = {each.id: each.preview for each in containers}
        things = [*self._domains(owners), *containers, *self._zone_records(), *self._own_secrets()]
        unknown = tuple(each.name for each in containers if not each.preview)
        return Found(tuple(each for each in things if each.preview), unknown)

    def wait_until_gone(self, previews: list[str], progress: Callable[[str], None]) -> list[Thing]:
        """Look until nothing of these environments is there, as long as something is being deleted; gives the rest."""
        begun = time.monotonic()
        while left := self.look().of(*previews):
            waited = time.monotonic() - begun
            if waited >= (
                _DELETING_SECONDS if any(each.status == _DELETING for each in left) else self._settle_seconds
            ):
                break
            progress(f"Waiting until it is gone: {', '.join(map(str, left))}")
            time.sleep(self._poll_seconds)
        return left

    def remove(self, thing: Thing) -> None:
        """Fine when it is gone already. Raises OpsError when Scaleway refuses."""
        match thing.kind:
            case Kind.CONTAINER | Kind.DOMAIN:
                self._call("DELETE", f"{self._containers}/{thing.kind}s/{thing.id}")
            case Kind.SECRET:
                self._call("DELETE", f"{self._secrets}/{thing.id}")
            case Kind.RECORD:
                self._call("PATCH", self._records, body={"changes": [{"delete": {"id": thing.id}}]})

    def _domains(self, owners: Mapping[str, str]) -> Iterator[Thing]:
        for each in self._listed(f"{self._containers}/domains", "domains", project_id=self._project_id):
            host = each["hostname"]
            preview = owners.get(each["container_id"]) or self._template.preview_of_host(host) or ""
            yield Thing(Kind.DOMAIN, host, each["id"], preview, str(each.get("status") or ""))

    def _zone_records(self) -> Iterator[Thing]:
        zone = self._template.zone
        if zone is None:
            return
        for each in self._listed(self._records, "records", name="", type="CNAME"):
            host = f"{each['name']}.{zone}"
            yield Thing(Kind.RECORD, host, each["id"], self._template.preview_of_host(host) or "")

    def _own_secrets(self) -> Iterator[Thing]:
        for each in self._listed(self._secrets, "secrets", project_id=self._project_id):
            yield Thing(Kind.SECRET, each["name"], each["id"], names.of_secret(each["name"]) or "")

    # --- requests -----------------------------------------------------------------------------------------

    def _listed(self, path: str, items: str, **query: str) -> Iterator[Object]:
        return pages(lambda page: self._call("GET", path, {**query, **page}), items)

    def _call(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Object | None = None
    ) -> Object:
        import httpx

        said = ""
        for seconds in (0.0, *_RETRY_SECONDS):
            time.sleep(seconds)
            try:
                response = self._client.request(method, path, params=query, json=body)
            except httpx.TransportError as error:
                said = f"no answer ({type(error).__name__})"
                continue
            if response.status_code == httpx.codes.NOT_FOUND and method != "GET":
                return {}
            if response.is_success:
                answer: Object = response.json() if response.content else {}
                return answer
            said = f"{response.status_code}, {message(response)}"
            if response.status_code not in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.CONFLICT, *range(500, 600)):
                break
        raise OpsError(f"Scaleway was asked {method} {path} and said: {said}", ExitCode.FAILED)
