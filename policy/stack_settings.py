"""Derives the requirements from the settings of SNU's stacks."""

from collections.abc import Collection

from infra import naming
from infra.settings import EnvironmentSettings, FoundationSettings
from policy.requirements import Requirements

_REMEDIES = {
    "image-by-digest": "Reference the image as REGISTRY/NAME@sha256:DIGEST, as snu:images does.",
    "private-registry": "Build the image with `scripts/snu images build`, or copy it with `scripts/snu promote`.",
    "protection": "Because snu:protect is true, pass the component's options to the resource, or make it a child of a "
    "protected resource.",
    "plain-variables": "Move the variable to secretVariables, and its value to the secret document.",
    "no-public-database": "Set a private network or an ACL with the networks that need access, or use kind: serverless "
    "or bucket.",
}


def settings_requirements(settings: EnvironmentSettings | FoundationSettings) -> Requirements:
    """The requirements of a stack with these settings."""
    return Requirements(
        protect=settings.protect,
        registry_namespaces=_registry_namespaces(settings),
        permission_sets=_permission_sets(settings),
        exemptions=settings.policies.exemptions,
        remedies=_REMEDIES,
    )


def _registry_namespaces(settings: EnvironmentSettings | FoundationSettings) -> Collection[str] | None:
    if isinstance(settings, FoundationSettings):
        return None
    environment = settings.environment
    return [naming.registry_namespace(environment.preview_of or environment.name)]


def _permission_sets(settings: EnvironmentSettings | FoundationSettings) -> dict[str, Collection[str]]:
    """The exceptions to `least-privilege`: deploying requires creating and deleting resources."""
    if isinstance(settings, EnvironmentSettings):
        return {}
    databases = ["RelationalDatabasesFullAccess"] if settings.opens_databases else []
    deploy = [
        "ContainersFullAccess",
        "ContainerRegistryFullAccess",
        "DomainsDNSFullAccess",
        "ServerlessJobsFullAccess",
        *databases,
    ]
    allowed: dict[str, Collection[str]] = {}
    for environment in settings.environments:
        allowed[naming.policy(naming.deploy_application(environment))] = deploy
        allowed[naming.policy(naming.release_application(environment))] = ["ServerlessJobsFullAccess"]
        allowed[naming.policy(naming.preview_application(environment))] = databases
    if settings.previews:  # preview environments create their own secrets
        previews = naming.policy(naming.previews_application(settings.project.name))
        allowed[previews] = [*deploy, "SecretManagerFullAccess"]
    return allowed
