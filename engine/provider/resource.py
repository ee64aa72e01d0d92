"""A resource type that the API serves as one collection: create, read, change and delete by its table of fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import ProviderError
from engine.plugin import ADD, DELETE, REPLACE_SUFFIX, UPDATE, Diff, PartialFailureError
from engine.provider.client import ApiError, Client
from engine.provider.fields import Field
from pulumi_state import schema
from pulumi_state.values import UNKNOWN, PropertyMap, contains_unknown, make_secret, unwrap

Object = dict[str, Any]

PROJECT = Field("projectId", computed=True)
ORGANIZATION = Field("organizationId", computed=True, sent=False)
CREATED_AT = Field("createdAt", sent=False)
UPDATED_AT = Field("updatedAt", sent=False)


class ResourceType:
    """The common behaviour; a type that the API serves in another way overrides the part that differs."""

    token: str
    path: str
    """Of the collection, with ``{region}`` where the product is regional."""
    fields: Sequence[Field]
    transient: frozenset[str] = frozenset()
    """Statuses that pass by themselves."""
    waits_until_gone: bool = False
    gone: frozenset[int] = frozenset({404})
    """Statuses with which the API answers for an object that is gone."""

    # --- without the cloud ------------------------------------------------------------------------------

    @property
    def regional(self) -> bool:
        return "{region}" in self.path

    def by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    def check(self, news: PropertyMap) -> list[str]:
        """What is wrong with the inputs."""
        known = schema.inputs_of(self.token)
        failures = [
            f"{name} is no property of {self.token}" for name in news if name not in known and not name.startswith("__")
        ]
        failures += [
            f"missing required property '{name}'"
            for name, facts in known.items()
            if facts.get("required") and news.get(name) is None
        ]
        supported = self.by_name().keys() | {"region"}
        failures += [
            f"the embedded engine does not support the property {name} of {self.token}; use the Pulumi CLI for it"
            for name in news
            if name in known and name not in supported
        ]
        if "name" in known and news.get("name") is None:
            failures.append(
                "the embedded engine does not make up names: give `name`, or use the Pulumi CLI (--engine pulumi)"
            )
        return failures

    @property
    def delete_before_replace(self) -> bool:
        """A name that the program gives cannot be taken twice, so the old resource goes first."""
        return "name" in schema.inputs_of(self.token)

    def with_defaults(self, news: PropertyMap) -> PropertyMap:
        """The inputs as the provider's Check returns them, with the names of those that it filled in."""
        types = schema.inputs_of(self.token)
        defaults = {
            field.name: field.default
            for field in self.fields
            if field.checked_default and field.name not in news and field.default is not None
        }
        given = {name: schema.mark_objects(types[name]["type"], value) for name, value in news.items()}
        return {"__defaults": sorted(defaults), **defaults, **given}

    def diff(self, olds: PropertyMap, news: PropertyMap, ignore: Sequence[str]) -> Diff:
        known = schema.inputs_of(self.token)
        detailed: dict[str, str] = {}
        for field in self.fields:
            if field.name not in known or field.name in ignore:
                continue
            changes = _compare_field(field, known[field.name]["type"], olds, news)
            suffix = REPLACE_SUFFIX if known[field.name].get("replaces") else ""
            detailed |= {path: kind + suffix for path, kind in changes.items()}
        region = unwrap(news.get("region"))
        if region not in (None, UNKNOWN) and "region" in known and region != olds.get("region"):
            detailed["region"] = UPDATE + REPLACE_SUFFIX
        replaces = any(kind.endswith(REPLACE_SUFFIX) for kind in detailed.values())
        return Diff(detailed, delete_before_replace=replaces and self.delete_before_replace)

    def planned(self, olds: PropertyMap | None, news: PropertyMap) -> PropertyMap:
        """Outputs as far as a preview can know them."""
        outputs = dict(olds) if olds is not None else {"id": UNKNOWN}
        for field in self.fields:
            if field.name in news:
                outputs[field.name] = news[field.name]
            elif olds is None:
                outputs[field.name] = UNKNOWN if field.default is None else field.default
        return outputs

    # --- with the cloud ---------------------------------------------------------------------------------

    def region(self, client: Client, properties: PropertyMap) -> str:
        return str(unwrap(properties.get("region")) or client.region)

    def collection(self, client: Client, region: str, properties: PropertyMap) -> str:
        return self.path.format(region=region)

    def item(self, client: Client, resource_id: str, outputs: PropertyMap) -> str:
        """The path of one object."""
        region, _, bare = resource_id.rpartition("/")
        return f"{self.collection(client, region or client.region, outputs)}/{bare}"

    def resource_id(self, client: Client, region: str, found: Object) -> str:
        return f"{region}/{found['id']}" if self.regional else str(found["id"])

    def body(self, client: Client, news: PropertyMap) -> Object:
        body: Object = {}
        plain = unwrap(news)
        for field in self.fields:
            value = plain.get(field.name, field.default)
            if field.sent and value is not None and field.name in schema.inputs_of(self.token):
                body[field.key] = field.write(value)
        for name, default in (("projectId", client.project_id), ("organizationId", client.organization_id)):
            for field in self.fields:
                if field.name == name and field.sent:
                    body.setdefault(field.key, default)
        return body

    async def create(self, client: Client, news: PropertyMap) -> tuple[str, PropertyMap]:
        region = self.region(client, news)
        found = await client.post(self.collection(client, region, news), self.body(client, news))
        resource_id = self.resource_id(client, region, found)
        return resource_id, await self._wait_until_settled(client, resource_id, news, found)

    async def update(self, client: Client, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        body = self.changes(olds, news)
        found = await client.patch(self.item(client, resource_id, olds), body)
        return await self._wait_until_settled(client, resource_id, {**_unanswered(self, olds), **news}, found)

    async def _wait_until_settled(
        self, client: Client, resource_id: str, given: PropertyMap, found: Object
    ) -> PropertyMap:
        """Wait until the status is final; what was made stays known when that fails."""
        try:
            if found.get("status") in self.transient:
                found = await client.wait(self.item(client, resource_id, given), self.transient)
            return self.outputs(client, resource_id, found, given)
        except ProviderError as error:
            raise PartialFailureError(
                str(error), resource_id, self.outputs(client, resource_id, found, given)
            ) from error

    def changes(self, olds: PropertyMap, news: PropertyMap) -> Object:
        """The body that changes an object: what differs, in the API's names."""
        known = schema.inputs_of(self.token)
        body: Object = {}
        for field in self.fields:
            if field.name not in known or not field.sent:
                continue
            type_ = known[field.name]["type"]
            if _compare_field(field, type_, olds, news):
                value = unwrap(news.get(field.name, field.default))
                body[field.update or field.key] = schema.zero_value(type_) if value is None else field.write(value)
        return body

    async def read(
        self, client: Client, resource_id: str, inputs: PropertyMap, outputs: PropertyMap
    ) -> PropertyMap | None:
        try:
            found = await self.fetch(client, resource_id, outputs)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return self.outputs(client, resource_id, found, {**_unanswered(self, outputs), **inputs})

    async def fetch(self, client: Client, resource_id: str, outputs: PropertyMap) -> Object:
        found: Object = await client.get(self.item(client, resource_id, outputs))
        return found

    def outputs(self, client: Client, resource_id: str, found: Object, given: PropertyMap) -> PropertyMap:
        """What the state keeps: the platform's answer, and what only the program or the creation said."""
        outputs: PropertyMap = {"id": resource_id}
        for field in self.fields:
            if field.answered:
                value = found.get(field.key)
                value = field.empty if value is None else field.read(value)
            else:
                value = given.get(field.name)
            if value is not None:
                outputs[field.name] = value
        if "region" in schema.inputs_of(self.token):
            outputs["region"] = resource_id.partition("/")[0] if self.regional else client.region
        return outputs

    async def delete(self, client: Client, resource_id: str, outputs: PropertyMap) -> None:
        item = self.item(client, resource_id, outputs)
        try:
            await client.delete(item)
        except ApiError as error:
            if error.status != 404:
                raise
            return
        if self.waits_until_gone:
            await client.wait_gone(item, self.gone)


class SecretKeyResource(ResourceType):
    """A type whose secret key is answered once, when the object is made: the state keeps it."""

    def outputs(self, client: Client, resource_id: str, found: Object, given: PropertyMap) -> PropertyMap:
        outputs = super().outputs(client, resource_id, found, given)
        key = unwrap(outputs.get("secretKey")) or found.get("secret_key")
        if key:
            outputs["secretKey"] = make_secret(key)
        return outputs


def _unanswered(type_: ResourceType, olds: PropertyMap) -> PropertyMap:
    """What the platform says once, or never, stays as the state has it."""
    return {field.name: olds[field.name] for field in type_.fields if not field.answered and field.name in olds}


def secret(value: Any) -> Any:
    return make_secret(value)


def _compare_field(field: Field, type_: Any, olds: PropertyMap, news: PropertyMap) -> dict[str, str]:
    old = unwrap(olds.get(field.name))
    new = unwrap(news.get(field.name, field.default))
    if new is None:
        if field.computed or old in (None, schema.zero_value(type_)):
            return {}
        return _removed(field.name, old) if isinstance(type_, dict) else {field.name: DELETE}
    whole = isinstance(type_, dict)
    if field.equal is not None and old is not None and not contains_unknown(new):
        if field.equal(old, new):
            return {}
        if isinstance(new, dict | list):
            old, new = field.normal(old), field.normal(new)
        return compare(field.name, old, new, whole=whole, is_set=field.is_set, sets=field.sets) or {field.name: UPDATE}
    if old is None and new == schema.zero_value(type_):
        return {}
    return compare(field.name, old, new, whole=whole, is_set=field.is_set, sets=field.sets)


def _removed(path: str, old: Mapping[str, Any]) -> dict[str, str]:
    return {f"{path}.{key}": DELETE for key in old}


def compare(
    path: str, old: Any, new: Any, *, whole: bool = False, is_set: bool = False, sets: Sequence[str] = ()
) -> dict[str, str]:
    """Differences by property path, as the provider's detailed diff names them.

    ``whole``: a map, where a key that is not given any more is a deletion. ``is_set``: of objects, where it is too.
    ``sets``: properties that are sets of strings, wherever they are.
    """
    if new is UNKNOWN:
        return {path: UPDATE if old is not None else ADD}
    if old is None or (whole and not old):
        return {path: ADD} if new or not whole else {}
    if isinstance(old, dict) and isinstance(new, dict):
        found: dict[str, str] = {}
        for key in sorted(old.keys() | new.keys()):
            if key.startswith("__"):
                continue
            if new.get(key) is None:
                if whole or old[key] or (is_set and old[key] is not None):
                    found[f"{path}.{key}"] = DELETE
            else:
                found |= compare(f"{path}.{key}", old.get(key), new[key], is_set=is_set, sets=sets)
        return found
    if isinstance(old, list) and isinstance(new, list):
        return _compare_lists(path, old, new, is_set=is_set, sets=sets)
    return {} if old == new else {path: UPDATE}


def _compare_lists(path: str, old: list[Any], new: list[Any], *, is_set: bool, sets: Sequence[str]) -> dict[str, str]:
    """What went is named by its former place, what came by its new one; both at one place is a change of it.

    Lists of objects are compared place by place.
    """
    if new and not old:
        return {path: ADD}
    of_objects = any(isinstance(item, dict) for item in [*old, *new])
    if path.rpartition(".")[2] in sets:
        gone = {index for index, item in enumerate(old) if item not in new}
        come = {index for index, item in enumerate(new) if item not in old}
    elif of_objects and not is_set:
        gone, come = set(range(len(old))), set(range(len(new)))
    else:
        gone, come = _unmatched(old, new)
    found: dict[str, str] = {}
    for index in sorted(gone | come):
        place = f"{path}[{index}]"
        if index not in come:
            found[place] = DELETE
        elif index not in gone:
            found[place] = ADD
        else:
            found |= compare(place, old[index], new[index], is_set=is_set, sets=sets)
    return found


def _unmatched(old: list[Any], new: list[Any]) -> tuple[set[int], set[int]]:
    """The places, in the old and in the new list, of what is not in the other one in the same order."""
    lengths = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in range(len(old) - 1, -1, -1):
        for j in range(len(new) - 1, -1, -1):
            same = not compare("", old[i], new[j])
            lengths[i][j] = lengths[i + 1][j + 1] + 1 if same else max(lengths[i + 1][j], lengths[i][j + 1])
    gone, come = set(range(len(old))), set(range(len(new)))
    i = j = 0
    while i < len(old) and j < len(new):
        if not compare("", old[i], new[j]):
            gone.discard(i)
            come.discard(j)
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return gone, come
