"""The base class of resource types: CRUD operations on the objects of a collection, driven by a table of fields."""

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
    """A resource type; subclasses override whatever differs from a plain collection."""

    token: str
    path: str
    """Path of the collection, with ``{region}`` if the product is regional."""
    fields: Sequence[Field]
    transient: frozenset[str] = frozenset()
    """Statuses of an object that is still changing."""
    waits_until_gone: bool = False
    gone: frozenset[int] = frozenset({404})
    """HTTP status codes that the API returns for a deleted object."""

    # --- without the cloud ------------------------------------------------------------------------------

    @property
    def regional(self) -> bool:
        return "{region}" in self.path

    def by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    def check(self, news: PropertyMap) -> list[str]:
        """Return the problems with the inputs."""
        known = schema.inputs_of(self.token)
        failures = [
            f"{name} is not a property of {self.token}"
            for name in news
            if name not in known and not name.startswith("__")
        ]
        failures += [
            f"missing required property '{name}'"
            for name, facts in known.items()
            if facts.get("required") and news.get(name) is None
        ]
        supported = self.by_name().keys() | {"region"}
        failures += [
            f"the embedded engine does not support the property {name} of {self.token}; use the Pulumi CLI (--engine "
            "pulumi)"
            for name in news
            if name in known and name not in supported
        ]
        if "name" in known and news.get("name") is None:
            failures.append(
                "the embedded engine does not generate names; set `name`, or use the Pulumi CLI (--engine pulumi)"
            )
        return failures

    @property
    def delete_before_replace(self) -> bool:
        """Whether to delete a resource before replacing it; true for types with a name, since names are unique."""
        return "name" in schema.inputs_of(self.token)

    def with_defaults(self, news: PropertyMap) -> PropertyMap:
        """Return the inputs as the provider's Check does; ``__defaults`` lists the added ones."""
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
        """Return the outputs that a preview expects."""
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
        """Return the path of one object."""
        region, _, bare = resource_id.rpartition("/")
        return f"{self.collection(client, region or client.region, outputs)}/{bare}"

    def resource_id(self, client: Client, region: str, response: Object) -> str:
        return f"{region}/{response['id']}" if self.regional else str(response["id"])

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
        response = await client.post(self.collection(client, region, news), self.body(client, news))
        resource_id = self.resource_id(client, region, response)
        return resource_id, await self._wait_until_settled(client, resource_id, news, response)

    async def update(self, client: Client, resource_id: str, olds: PropertyMap, news: PropertyMap) -> PropertyMap:
        body = self.changes(olds, news)
        response = await client.patch(self.item(client, resource_id, olds), body)
        return await self._wait_until_settled(client, resource_id, {**_unanswered(self, olds), **news}, response)

    async def _wait_until_settled(
        self, client: Client, resource_id: str, given: PropertyMap, response: Object
    ) -> PropertyMap:
        """Wait for a final status. Raises PartialFailureError, which identifies the resource, if the wait fails."""
        try:
            if response.get("status") in self.transient:
                response = await client.wait(self.item(client, resource_id, given), self.transient)
            return self.outputs(client, resource_id, response, given)
        except ProviderError as error:
            raise PartialFailureError(
                str(error), resource_id, self.outputs(client, resource_id, response, given)
            ) from error

    def changes(self, olds: PropertyMap, news: PropertyMap) -> Object:
        """Return the body of an update request: the differences, under the API's field names."""
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
            response = await self.fetch(client, resource_id, outputs)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return self.outputs(client, resource_id, response, {**_unanswered(self, outputs), **inputs})

    async def fetch(self, client: Client, resource_id: str, outputs: PropertyMap) -> Object:
        response: Object = await client.get(self.item(client, resource_id, outputs))
        return response

    def outputs(self, client: Client, resource_id: str, response: Object, given: PropertyMap) -> PropertyMap:
        """Return the outputs, taking fields that responses do not contain from ``given``."""
        outputs: PropertyMap = {"id": resource_id}
        for field in self.fields:
            if field.answered:
                value = response.get(field.key)
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
    """A type whose secret key the API returns only on creation; the key is then kept in the state."""

    def outputs(self, client: Client, resource_id: str, response: Object, given: PropertyMap) -> PropertyMap:
        outputs = super().outputs(client, resource_id, response, given)
        key = unwrap(outputs.get("secretKey")) or response.get("secret_key")
        if key:
            outputs["secretKey"] = make_secret(key)
        return outputs


def _unanswered(type_: ResourceType, olds: PropertyMap) -> PropertyMap:
    """Return the outputs that only the state contains, because responses never include them."""
    return {field.name: olds[field.name] for field in type_.fields if not field.answered and field.name in olds}


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
    """Return the differences by property path, as in the provider's detailed diff.

    ``whole`` marks a map and ``is_set`` a set of objects; in both, a missing key counts as a deletion. ``sets`` names
    the properties that are sets of strings, at any depth.
    """
    if new is UNKNOWN:
        return {path: UPDATE if old is not None else ADD}
    if old is None or (whole and not old):
        return {path: ADD} if new or not whole else {}
    if isinstance(old, dict) and isinstance(new, dict):
        changes: dict[str, str] = {}
        for key in sorted(old.keys() | new.keys()):
            if key.startswith("__"):
                continue
            if new.get(key) is None:
                if whole or old[key] or (is_set and old[key] is not None):
                    changes[f"{path}.{key}"] = DELETE
            else:
                changes |= compare(f"{path}.{key}", old.get(key), new[key], is_set=is_set, sets=sets)
        return changes
    if isinstance(old, list) and isinstance(new, list):
        return _compare_lists(path, old, new, is_set=is_set, sets=sets)
    return {} if old == new else {path: UPDATE}


def _compare_lists(path: str, old: list[Any], new: list[Any], *, is_set: bool, sets: Sequence[str]) -> dict[str, str]:
    """Compare lists. A removal and an addition at the same index are reported as one change.

    Lists of objects are compared by index.
    """
    if new and not old:
        return {path: ADD}
    of_objects = any(isinstance(item, dict) for item in [*old, *new])
    if path.rpartition(".")[2] in sets:
        removed = {index for index, item in enumerate(old) if item not in new}
        added = {index for index, item in enumerate(new) if item not in old}
    elif of_objects and not is_set:
        removed, added = set(range(len(old))), set(range(len(new)))
    else:
        removed, added = _unmatched(old, new)
    changes: dict[str, str] = {}
    for index in sorted(removed | added):
        item_path = f"{path}[{index}]"
        if index not in added:
            changes[item_path] = DELETE
        elif index not in removed:
            changes[item_path] = ADD
        else:
            changes |= compare(item_path, old[index], new[index], is_set=is_set, sets=sets)
    return changes


def _unmatched(old: list[Any], new: list[Any]) -> tuple[set[int], set[int]]:
    """Return the old and new indexes of the items outside the longest common subsequence."""
    lengths = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in range(len(old) - 1, -1, -1):
        for j in range(len(new) - 1, -1, -1):
            same = not compare("", old[i], new[j])
            lengths[i][j] = lengths[i + 1][j + 1] + 1 if same else max(lengths[i + 1][j], lengths[i][j + 1])
    removed, added = set(range(len(old))), set(range(len(new)))
    i = j = 0
    while i < len(old) and j < len(new):
        if not compare("", old[i], new[j]):
            removed.discard(i)
            added.discard(j)
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return removed, added
