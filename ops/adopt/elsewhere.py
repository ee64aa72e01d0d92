"""What belongs to other stacks: one state of Terraform's covers what several stacks declare here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra import naming
from infra.settings import EnvironmentSettings, FoundationSettings
from ops.adopt.terraform import Live
from ops.errors import OpsError
from ops.scaleway import catalogue
from ops.scaleway.catalogue import ResourceKind, kind_of_terraform
from ops.stacks import Stack, find_stack, settings_of, stack_names

Claim = tuple[ResourceKind, str]
"""A resource by its name."""
_NAMES = ("hostname", "name")


def owners(stack: Stack, rest: Sequence[Live]) -> dict[tuple[str, str], str]:
    """By the live resource's key, the other stack whose settings name it; what no settings name is missing."""
    claims: dict[Claim, str] = {}
    for name in stack_names(stack.project_dir):
        if name != stack.name:
            claims.update(dict.fromkeys(_claims(find_stack(stack.project_dir, name)), name))
    kinds = ((live, kind_of_terraform(live.type)) for live in rest)
    found = {live.key: claims.get((kind, _name_of(kind, live))) for live, kind in kinds if kind is not None}
    return {key: owner for key, owner in found.items() if owner is not None}


def _name_of(kind: ResourceKind, live: Live) -> str:
    if kind is catalogue.ZONE:
        return f"{live.attributes.get('subdomain')}.{live.attributes.get('domain')}"
    if kind is catalogue.RECORD:
        return f"{live.attributes.get('name')}.{live.attributes.get('dns_zone')}"
    return next((str(live.attributes[key]) for key in _NAMES if live.attributes.get(key)), "")


def _claims(stack: Stack) -> Iterator[Claim]:
    """Nothing, of a stack whose file is not valid."""
    try:
        settings = settings_of(stack)
    except OpsError:
        return
    match settings:
        case FoundationSettings():
            yield from _of_foundation(settings)
        case EnvironmentSettings() if settings.environment.preview_of is None:
            yield from _of_environment(settings)


def _of_foundation(settings: FoundationSettings) -> Iterator[Claim]:
    project = settings.project.name
    yield catalogue.PROJECT, naming.project(project)
    for name in settings.environments:
        yield catalogue.REGISTRY_NAMESPACE, naming.registry_namespace(name)
        yield catalogue.SECRET, naming.secret(name)
        yield catalogue.SERVERLESS_DATABASE, naming.state_database(name)
        yield catalogue.DATABASE_INSTANCE, naming.state_database(name)
    for application in (naming.deploy_application(project), naming.secret_reader_application(project)):
        yield catalogue.APPLICATION, application
        yield catalogue.POLICY, naming.policy(application)
    yield catalogue.DATA_SOURCE, naming.logs_source(project)
    yield catalogue.COCKPIT_TOKEN, naming.logs_reader_token(project)
    if settings.zone is not None:
        yield catalogue.ZONE, settings.zone


def _of_environment(settings: EnvironmentSettings) -> Iterator[Claim]:
    environment = settings.environment.name
    yield catalogue.CONTAINER_NAMESPACE, naming.container_namespace(environment)
    for name, app in settings.apps.items():
        yield catalogue.CONTAINER, naming.container(environment, name)
        if app.host is not None:
            yield catalogue.CONTAINER_DOMAIN, app.host
            yield catalogue.RECORD, app.host
    for key, job in settings.jobs.items():
        yield catalogue.JOB_DEFINITION, job.name or naming.job(environment, key)
