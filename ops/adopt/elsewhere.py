"""What belongs to other stacks: one state of Terraform's covers what several stacks declare here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra import naming
from infra.settings import EnvironmentSettings, FoundationSettings
from ops.adopt.terraform import Live
from ops.errors import OpsError
from ops.stacks import Stack, find_stack, settings_of, stack_names

Claim = tuple[str, str]
"""Terraform's type, and the name."""
_NAMES = ("hostname", "name")


def owners(stack: Stack, rest: Sequence[Live]) -> dict[tuple[str, str], str]:
    """By the live resource's key, the other stack whose settings name it; what no settings name is missing."""
    claims: dict[Claim, str] = {}
    for name in stack_names(stack.project_dir):
        if name != stack.name:
            claims.update(dict.fromkeys(_claims(find_stack(stack.project_dir, name)), name))
    found = {live.key: claims.get((live.type, _name_of(live))) for live in rest}
    return {key: owner for key, owner in found.items() if owner is not None}


def _name_of(live: Live) -> str:
    if live.type == "scaleway_domain_zone":
        return f"{live.attributes.get('subdomain')}.{live.attributes.get('domain')}"
    if live.type == "scaleway_domain_record":
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
    yield "scaleway_account_project", naming.project(project)
    for name in settings.environments:
        yield "scaleway_registry_namespace", naming.registry_namespace(name)
        yield "scaleway_secret", naming.secret(name)
        yield "scaleway_sdb_sql_database", naming.state_database(name)
        yield "scaleway_rdb_instance", naming.state_database(name)
    for application in (naming.deploy_application(project), naming.secret_reader_application(project)):
        yield "scaleway_iam_application", application
        yield "scaleway_iam_policy", naming.policy(application)
    yield "scaleway_cockpit_source", naming.logs_source(project)
    yield "scaleway_cockpit_token", naming.logs_reader_token(project)
    if settings.zone is not None:
        yield "scaleway_domain_zone", settings.zone


def _of_environment(settings: EnvironmentSettings) -> Iterator[Claim]:
    environment = settings.environment.name
    yield "scaleway_container_namespace", naming.container_namespace(environment)
    for name, app in settings.apps.items():
        yield "scaleway_container", naming.container(environment, name)
        if app.host is not None:
            yield "scaleway_container_domain", app.host
            yield "scaleway_domain_record", app.host
    for key, job in settings.jobs.items():
        yield "scaleway_job_definition", job.name or naming.job(environment, key)
