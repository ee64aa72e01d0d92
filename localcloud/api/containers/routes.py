"""``/containers/v1``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from localcloud.api import transitions
from localcloud.api.clock import timestamp
from localcloud.api.containers import variables
from localcloud.api.containers.schemas import (
    CONTAINER,
    DOMAIN,
    NAMESPACE,
    NAMESPACES,
    containers,
    domains,
    namespaces,
)
from localcloud.api.domain.resolver import leads_to
from localcloud.api.errors import already_exists, plain, quotas_exceeded
from localcloud.api.request import ApiRequest
from localcloud.api.routing import Answer, Routes
from localcloud.api.store import Resource
from localcloud.api.validation import Body, Problems
from scaleway_facts import limits

routes = Routes("/containers/v1/regions/{region}", product="containers")

# Namespaces


@routes("POST", "/namespaces", "namespace")
def create_namespace(call: ApiRequest) -> Answer:
    values = _checked(NAMESPACE, call.body)
    project = call.project(values["project_id"])
    same_project = list(namespaces.every(call, _project=project, _region=call.region))
    for other in same_project:
        if other["name"] == values["name"]:
            raise already_exists("namespace", other["id"], "a namespace with this name exists in the project")
    if len(same_project) >= limits.NAMESPACES.most:
        raise quotas_exceeded("containers_namespaces", limits.NAMESPACES.most, len(same_project))
    values |= {
        "project_id": project,
        "organization_id": call.organization_id,
        "region": call.region,
        "error_message": "",
    }
    secret = values.pop("secret_environment_variables")
    namespace = namespaces.add(call, values, project=project, transient="creating")
    return namespaces.show(call, _with_secrets(call, namespace, secret))


@routes("GET", "/namespaces", "namespace")
def list_namespaces(call: ApiRequest) -> Answer:
    return namespaces.list(call)


@routes("GET", "/namespaces/{id}", "namespace")
def get_namespace(call: ApiRequest) -> Answer:
    return namespaces.show(call, namespaces.find(call, call.id))


@routes("PATCH", "/namespaces/{id}", "namespace")
def update_namespace(call: ApiRequest) -> Answer:
    namespace = namespaces.find_stable(call, call.id)
    changes = _checked_changes(call, NAMESPACE, call.body, namespace)
    for container in containers.every(call, namespace_id=namespace["id"]):
        _check_variable_counts(container, {**namespace, **changes})
    for fixed in ("name", "project_id"):
        changes.pop(fixed, None)
    secret = changes.pop("secret_environment_variables", None)
    namespace = namespaces.change(call, namespace, changes, transient="updating")
    return namespaces.show(call, namespace if secret is None else _with_secrets(call, namespace, secret))


@routes("DELETE", "/namespaces/{id}", "namespace")
def delete_namespace(call: ApiRequest) -> Answer:
    """Takes its containers along, also those which are being deleted already."""
    namespace = namespaces.find(call, call.id)
    for container in list(containers.every(call, namespace_id=namespace["id"])):
        _retire_container(call, container)
    variables.forget_secret(call, namespace["id"])
    return namespaces.show(call, namespaces.retire(call, namespace))


# Containers


@routes("POST", "/containers", "container")
def create_container(call: ApiRequest) -> Answer:
    values = _checked(CONTAINER, call.body)
    namespace = namespaces.find_stable(call, values["namespace_id"])
    _check_variable_counts(values, namespace)
    for other in containers.every(call, namespace_id=namespace["id"], name=values["name"]):
        raise already_exists("container", other["id"], "a container with this name exists in the namespace")
    values |= {
        "region": call.region,
        "error_message": "",
        "public_endpoint": _public_endpoint(namespace, values["name"], call.region or ""),
    }
    secret = values.pop("secret_environment_variables")
    container = containers.add(call, values, project=namespace["_project"], transient="creating")
    return containers.show(call, _deployed(call, _with_secrets(call, container, secret)))


@routes("GET", "/containers", "container")
def list_containers(call: ApiRequest) -> Answer:
    return containers.list(call)


@routes("GET", "/containers/{id}", "container")
def get_container(call: ApiRequest) -> Answer:
    return containers.show(call, containers.find(call, call.id))


@routes("PATCH", "/containers/{id}", "container")
def update_container(call: ApiRequest) -> Answer:
    """Every update redeploys. The request's ``https_connection_only`` is the answer's ``https_connections_only``."""
    container = containers.find_stable(call, call.id)
    body = dict(call.body)
    if "https_connection_only" in body:
        body["https_connections_only"] = body.pop("https_connection_only")
    changes = _checked_changes(call, CONTAINER, body, container)
    _check_variable_counts({**container, **changes}, call.store.get(NAMESPACES, container["namespace_id"]) or {})
    for fixed in ("name", "namespace_id"):
        changes.pop(fixed, None)
    secret = changes.pop("secret_environment_variables", None)
    container = containers.change(call, container, {**changes, "error_message": ""}, transient="updating")
    if secret is not None:
        container = _with_secrets(call, container, secret)
    return containers.show(call, _deployed(call, container))


@routes("POST", "/containers/{id}/redeploy", "container")
def redeploy_container(call: ApiRequest) -> Answer:
    container = containers.find_stable(call, call.id)
    container = containers.change(call, container, {"error_message": ""}, transient="upgrading")
    return containers.show(call, _deployed(call, container))


@routes("DELETE", "/containers/{id}", "container")
def delete_container(call: ApiRequest) -> Answer:
    return containers.show(call, _retire_container(call, containers.find(call, call.id)))


# Domains


@routes("POST", "/domains", "domain")
def create_domain(call: ApiRequest) -> Answer:
    values = DOMAIN.create(call.body)
    values["hostname"] = values["hostname"].lower()
    container = containers.find(call, values["container_id"])
    for other in domains.every(call, hostname=values["hostname"]):
        raise already_exists("domain", other["id"], "the host name is already used by a container")
    held = sum(1 for _ in domains.every(call, container_id=container["id"]))
    if held >= limits.DOMAINS.most:
        raise quotas_exceeded("containers_domains", limits.DOMAINS.most, held)
    endpoint = container["public_endpoint"].removeprefix("https://")
    fault = leads_to(call.store, values["hostname"], endpoint)
    if fault:
        # Without a type: the clients try again for as long as the message starts so (DNS takes its time).
        raise plain(400, f"could not validate domain {values['hostname']}: {fault}")
    domain = domains.add(call, {**values, "error_message": ""}, project=container["_project"], transient="creating")
    return domains.show(call, domain)


@routes("GET", "/domains", "domain")
def list_domains(call: ApiRequest) -> Answer:
    return domains.list(call)


@routes("GET", "/domains/{id}", "domain")
def get_domain(call: ApiRequest) -> Answer:
    return domains.show(call, domains.find(call, call.id))


@routes("PATCH", "/domains/{id}", "domain")
def update_domain(call: ApiRequest) -> Answer:
    domain = domains.find_stable(call, call.id)
    changes = {name: value for name, value in DOMAIN.update(call.body).items() if name == "tags"}
    return domains.show(call, domains.change(call, domain, changes))


@routes("DELETE", "/domains/{id}", "domain")
def delete_domain(call: ApiRequest) -> Answer:
    return domains.show(call, domains.retire(call, domains.find(call, call.id)))


def _checked(shape: Body, body: Mapping[str, Any]) -> dict[str, Any]:
    problems = Problems()
    values = shape.create(body, problems)
    variables.check_plain(values["environment_variables"], problems)
    variables.check_secret(values["secret_environment_variables"], problems, kept={})
    _check_scaling(values, problems)
    _check_memory(values, problems)
    problems.raise_if_any()
    return values


def _checked_changes(call: ApiRequest, shape: Body, body: Mapping[str, Any], current: Resource) -> dict[str, Any]:
    problems = Problems()
    changes = shape.update(body, problems)
    variables.check_plain(changes.get("environment_variables", {}), problems)
    variables.check_secret(
        changes.get("secret_environment_variables", {}),
        problems,
        kept=current["secret_environment_variables"],
    )
    _check_scaling({**current, **changes}, problems)
    _check_memory({**current, **changes}, problems)
    problems.raise_if_any()
    return changes


def _check_scaling(values: Mapping[str, Any], problems: Problems) -> None:
    """Of a container; a namespace has none of these fields."""
    low, high = values.get("min_scale"), values.get("max_scale")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        problems.add("min_scale", "must be at most max_scale")
    option = values.get("scaling_option")
    if isinstance(option, dict) and len(option) != 1:
        problems.add("scaling_option", "exactly one threshold is needed")
    for name in ("liveness_probe", "startup_probe"):
        probe = values.get(name)
        if isinstance(probe, dict) and len(probe.keys() & {"tcp", "http"}) != 1:
            problems.add(name, "exactly one of tcp and http is needed")


def _check_memory(values: Mapping[str, Any], problems: Problems) -> None:
    """Of a container; a namespace has neither. The message is the platform's own."""
    cpu, memory = values.get("mvcpu_limit"), values.get("memory_limit_bytes")
    stated = limits.MEMORY_BY_CPU.get(cpu) if isinstance(cpu, int) else None
    if stated and isinstance(memory, int) and not stated.allows(memory // limits.BYTES_PER_MEGABYTE):
        problems.add(
            "memory_limit_bytes",
            f"{cpu} mvCPU require a minimum of {stated.least} MB and a maximum of {stated.most} MB of memory",
        )


def _check_variable_counts(container: Mapping[str, Any], namespace: Mapping[str, Any]) -> None:
    problems = Problems()
    variables.check_counts(container, namespace, problems)
    problems.raise_if_any()


def _with_secrets(call: ApiRequest, owner: Resource, wanted: Mapping[str, str]) -> Resource:
    """The namespace or container with its secret variables kept, and their hashes in it."""
    kind = containers if "namespace_id" in owner else namespaces
    hashes = variables.keep_secret(call, owner["id"], wanted, owner.get("secret_environment_variables", {}))
    owner = {**owner, "secret_environment_variables": hashes, "updated_at": timestamp(call.now)}
    kind.put(call, owner)
    return owner


def _deployed(call: ApiRequest, container: Resource) -> Resource:
    """The container with one deploy more (``_generation`` counts them), unless a fault lets this one fail."""
    if container["status"] == "error":
        return container
    container = {**container, "_generation": container.get("_generation", 0) + 1}
    if call.cloud.will_run(container["image"]):
        container = transitions.hold(container)
    containers.put(call, container)
    return container


def _retire_container(call: ApiRequest, container: Resource) -> Resource:
    """Its domains go with it."""
    for domain in list(domains.every(call, container_id=container["id"])):
        domains.retire(call, domain)
    variables.forget_secret(call, container["id"])
    return containers.retire(call, container)


def _public_endpoint(namespace: Resource, name: str, region: str) -> str:
    """As the platform builds it: the namespace's name and a short id, the container's name; one DNS label."""
    short = namespace["id"].split("-")[0]
    stem = re.sub(r"[^a-z0-9]", "", namespace["name"].lower())[: 63 - len(short) - len(name) - 1]
    return f"https://{stem}{short}-{name.lower()}.functions.fnc.{region}.localhost"
