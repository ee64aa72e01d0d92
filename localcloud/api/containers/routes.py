"""``/containers/v1``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from localcloud.api import transitions
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
from localcloud.api.domain.resolver import alias_problem
from localcloud.api.errors import already_exists, plain, quotas_exceeded
from localcloud.api.request import ApiRequest
from localcloud.api.routing import ResponseBody, Routes
from localcloud.api.store import Resource
from localcloud.api.timestamps import timestamp
from localcloud.api.validation import Body, Problems
from scaleway_facts import limits

routes = Routes("/containers/v1/regions/{region}", product="containers")

# Namespaces


@routes("POST", "/namespaces", "namespace")
def create_namespace(request: ApiRequest) -> ResponseBody:
    values = _validated(NAMESPACE, request.body)
    project = request.project(values["project_id"])
    same_project = list(namespaces.matching(request, _project=project, _region=request.region))
    for other in same_project:
        if other["name"] == values["name"]:
            raise already_exists("namespace", other["id"], "a namespace with this name already exists in the project")
    if len(same_project) >= limits.NAMESPACES.most:
        raise quotas_exceeded("containers_namespaces", limits.NAMESPACES.most, len(same_project))
    values |= {
        "project_id": project,
        "organization_id": request.organization_id,
        "region": request.region,
        "error_message": "",
    }
    secret = values.pop("secret_environment_variables")
    namespace = namespaces.add(request, values, project=project, transient="creating")
    return namespaces.show(request, _with_secrets(request, namespace, secret))


@routes("GET", "/namespaces", "namespace")
def list_namespaces(request: ApiRequest) -> ResponseBody:
    return namespaces.list(request)


@routes("GET", "/namespaces/{id}", "namespace")
def get_namespace(request: ApiRequest) -> ResponseBody:
    return namespaces.show(request, namespaces.find(request, request.id))


@routes("PATCH", "/namespaces/{id}", "namespace")
def update_namespace(request: ApiRequest) -> ResponseBody:
    namespace = namespaces.find_stable(request, request.id)
    changes = _validated_changes(NAMESPACE, request.body, namespace)
    for container in containers.matching(request, namespace_id=namespace["id"]):
        _check_variable_counts(container, {**namespace, **changes})
    for immutable in ("name", "project_id"):
        changes.pop(immutable, None)
    secret = changes.pop("secret_environment_variables", None)
    namespace = namespaces.change(request, namespace, changes, transient="updating")
    return namespaces.show(request, namespace if secret is None else _with_secrets(request, namespace, secret))


@routes("DELETE", "/namespaces/{id}", "namespace")
def delete_namespace(request: ApiRequest) -> ResponseBody:
    """Also deletes the namespace's containers."""
    namespace = namespaces.find(request, request.id)
    for container in list(containers.matching(request, namespace_id=namespace["id"])):
        _delete_container(request, container)
    variables.delete_secret(request, namespace["id"])
    return namespaces.show(request, namespaces.begin_deletion(request, namespace))


# Containers


@routes("POST", "/containers", "container")
def create_container(request: ApiRequest) -> ResponseBody:
    values = _validated(CONTAINER, request.body)
    namespace = namespaces.find_stable(request, values["namespace_id"])
    _check_variable_counts(values, namespace)
    for other in containers.matching(request, namespace_id=namespace["id"], name=values["name"]):
        raise already_exists("container", other["id"], "a container with this name already exists in the namespace")
    values |= {
        "region": request.region,
        "error_message": "",
        "public_endpoint": _public_endpoint(namespace, values["name"], request.region or ""),
    }
    secret = values.pop("secret_environment_variables")
    container = containers.add(request, values, project=namespace["_project"], transient="creating")
    return containers.show(request, _deploy(request, _with_secrets(request, container, secret)))


@routes("GET", "/containers", "container")
def list_containers(request: ApiRequest) -> ResponseBody:
    return containers.list(request)


@routes("GET", "/containers/{id}", "container")
def get_container(request: ApiRequest) -> ResponseBody:
    return containers.show(request, containers.find(request, request.id))


@routes("PATCH", "/containers/{id}", "container")
def update_container(request: ApiRequest) -> ResponseBody:
    """Redeploys the container. Requests use ``https_connection_only``; responses use ``https_connections_only``."""
    container = containers.find_stable(request, request.id)
    body = dict(request.body)
    if "https_connection_only" in body:
        body["https_connections_only"] = body.pop("https_connection_only")
    changes = _validated_changes(CONTAINER, body, container)
    _check_variable_counts({**container, **changes}, request.store.get(NAMESPACES, container["namespace_id"]) or {})
    for immutable in ("name", "namespace_id"):
        changes.pop(immutable, None)
    secret = changes.pop("secret_environment_variables", None)
    container = containers.change(request, container, {**changes, "error_message": ""}, transient="updating")
    if secret is not None:
        container = _with_secrets(request, container, secret)
    return containers.show(request, _deploy(request, container))


@routes("POST", "/containers/{id}/redeploy", "container")
def redeploy_container(request: ApiRequest) -> ResponseBody:
    container = containers.find_stable(request, request.id)
    container = containers.change(request, container, {"error_message": ""}, transient="upgrading")
    return containers.show(request, _deploy(request, container))


@routes("DELETE", "/containers/{id}", "container")
def delete_container(request: ApiRequest) -> ResponseBody:
    return containers.show(request, _delete_container(request, containers.find(request, request.id)))


# Domains


@routes("POST", "/domains", "domain")
def create_domain(request: ApiRequest) -> ResponseBody:
    values = DOMAIN.create(request.body)
    values["hostname"] = values["hostname"].lower()
    container = containers.find(request, values["container_id"])
    for other in domains.matching(request, hostname=values["hostname"]):
        raise already_exists("domain", other["id"], "the host name is already used by a container")
    count = sum(1 for _ in domains.matching(request, container_id=container["id"]))
    if count >= limits.DOMAINS.most:
        raise quotas_exceeded("containers_domains", limits.DOMAINS.most, count)
    endpoint = container["public_endpoint"].removeprefix("https://")
    problem = alias_problem(request.store, values["hostname"], endpoint)
    if problem:
        # No error type: clients retry if the message starts with this text, because DNS changes take time.
        raise plain(400, f"could not validate domain {values['hostname']}: {problem}")
    domain = domains.add(request, {**values, "error_message": ""}, project=container["_project"], transient="creating")
    return domains.show(request, domain)


@routes("GET", "/domains", "domain")
def list_domains(request: ApiRequest) -> ResponseBody:
    return domains.list(request)


@routes("GET", "/domains/{id}", "domain")
def get_domain(request: ApiRequest) -> ResponseBody:
    return domains.show(request, domains.find(request, request.id))


@routes("PATCH", "/domains/{id}", "domain")
def update_domain(request: ApiRequest) -> ResponseBody:
    domain = domains.find_stable(request, request.id)
    changes = {name: value for name, value in DOMAIN.update(request.body).items() if name == "tags"}
    return domains.show(request, domains.change(request, domain, changes))


@routes("DELETE", "/domains/{id}", "domain")
def delete_domain(request: ApiRequest) -> ResponseBody:
    return domains.show(request, domains.begin_deletion(request, domains.find(request, request.id)))


def _validated(schema: Body, body: Mapping[str, Any]) -> dict[str, Any]:
    problems = Problems()
    values = schema.create(body, problems)
    variables.check_plain(values["environment_variables"], problems)
    variables.check_secret(values["secret_environment_variables"], problems, existing={})
    _check_scaling(values, problems)
    _check_memory(values, problems)
    problems.raise_if_any()
    return values


def _validated_changes(schema: Body, body: Mapping[str, Any], current: Resource) -> dict[str, Any]:
    problems = Problems()
    changes = schema.update(body, problems)
    variables.check_plain(changes.get("environment_variables", {}), problems)
    variables.check_secret(
        changes.get("secret_environment_variables", {}),
        problems,
        existing=current["secret_environment_variables"],
    )
    _check_scaling({**current, **changes}, problems)
    _check_memory({**current, **changes}, problems)
    problems.raise_if_any()
    return changes


def _check_scaling(values: Mapping[str, Any], problems: Problems) -> None:
    """Check the scaling options and probes, which containers have but namespaces do not."""
    low, high = values.get("min_scale"), values.get("max_scale")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        problems.add("min_scale", "must not exceed max_scale")
    option = values.get("scaling_option")
    if isinstance(option, dict) and len(option) != 1:
        problems.add("scaling_option", "exactly one threshold is required")
    for name in ("liveness_probe", "startup_probe"):
        probe = values.get(name)
        if isinstance(probe, dict) and len(probe.keys() & {"tcp", "http"}) != 1:
            problems.add(name, "exactly one of tcp and http is required")


def _check_memory(values: Mapping[str, Any], problems: Problems) -> None:
    """Check the memory limit, which only containers have. The message matches the platform's."""
    cpu, memory = values.get("mvcpu_limit"), values.get("memory_limit_bytes")
    allowed = limits.MEMORY_BY_CPU.get(cpu) if isinstance(cpu, int) else None
    if allowed and isinstance(memory, int) and not allowed.allows(memory // limits.BYTES_PER_MEGABYTE):
        problems.add(
            "memory_limit_bytes",
            f"{cpu} mvCPU require a minimum of {allowed.least} MB and a maximum of {allowed.most} MB of memory",
        )


def _check_variable_counts(container: Mapping[str, Any], namespace: Mapping[str, Any]) -> None:
    problems = Problems()
    variables.check_counts(container, namespace, problems)
    problems.raise_if_any()


def _with_secrets(request: ApiRequest, owner: Resource, secret: Mapping[str, str]) -> Resource:
    """Store a namespace's or container's secret variables, and return the resource with their hashes."""
    kind = containers if "namespace_id" in owner else namespaces
    hashes = variables.store_secret(request, owner["id"], secret, owner.get("secret_environment_variables", {}))
    owner = {**owner, "secret_environment_variables": hashes, "updated_at": timestamp(request.now)}
    kind.put(request, owner)
    return owner


def _deploy(request: ApiRequest, container: Resource) -> Resource:
    """Start a deployment and increment ``_generation``, unless a fault makes the deployment fail."""
    if container["status"] == "error":
        return container
    container = {**container, "_generation": container.get("_generation", 0) + 1}
    if request.cloud.will_run(container["image"]):
        container = transitions.hold(container)
    containers.put(request, container)
    return container


def _delete_container(request: ApiRequest, container: Resource) -> Resource:
    """Delete a container and its domains."""
    for domain in list(domains.matching(request, container_id=container["id"])):
        domains.begin_deletion(request, domain)
    variables.delete_secret(request, container["id"])
    return containers.begin_deletion(request, container)


def _public_endpoint(namespace: Resource, name: str, region: str) -> str:
    """The endpoint in the platform's format: namespace name, short id and container name in one DNS label."""
    short = namespace["id"].split("-")[0]
    stem = re.sub(r"[^a-z0-9]", "", namespace["name"].lower())[: 63 - len(short) - len(name) - 1]
    return f"https://{stem}{short}-{name.lower()}.functions.fnc.{region}.localhost"
