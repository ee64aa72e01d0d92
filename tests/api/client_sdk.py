"""A session with the official SDK that uses every product."""

from __future__ import annotations

from pathlib import Path

import scaleway
from scaleway.account.v3 import AccountV3ProjectAPI
from scaleway.cockpit.v1 import CockpitV1RegionalAPI
from scaleway.cockpit.v1.types import DataSourceType
from scaleway.container.v1 import ContainerV1API
from scaleway.domain.v2beta1 import DomainV2Beta1API
from scaleway.domain.v2beta1.types import Record, RecordChange, RecordChangeAdd, RecordType
from scaleway.iam.v1alpha1 import IamV1Alpha1API
from scaleway.iam.v1alpha1.types import RuleSpecs
from scaleway.jobs.v1alpha2 import JobsV1Alpha2API
from scaleway.registry.v1 import RegistryV1API
from scaleway.secret.v1beta1 import SecretV1Beta1API
from scaleway.serverless_sqldb.v1alpha1 import ServerlessSqldbV1Alpha1API

from tests.support.seed import ORGANIZATION, OWNER_ACCESS_KEY, OWNER_SECRET_KEY


def run_sdk(url: str, folder: Path) -> None:
    """Create, read, list, change and delete one resource of each kind."""
    client = scaleway.Client(
        access_key=OWNER_ACCESS_KEY,
        secret_key=OWNER_SECRET_KEY,
        api_url=url,
        default_organization_id=ORGANIZATION,
        default_project_id=ORGANIZATION,
        default_region="fr-par",
        default_zone="fr-par-1",
    )
    projects = AccountV3ProjectAPI(client)
    project = projects.create_project(name="snu-sdk", description="recorded").id
    projects.list_projects_all()
    _iam(IamV1Alpha1API(client), project)
    _registry(RegistryV1API(client), project)
    _secrets(SecretV1Beta1API(client), project)
    _containers(ContainerV1API(client), project)
    _domain(DomainV2Beta1API(client), project)
    _databases(ServerlessSqldbV1Alpha1API(client), project)
    _cockpit(CockpitV1RegionalAPI(client), project)
    _jobs(JobsV1Alpha2API(client), project)
    projects.update_project(project_id=project, description="changed")
    projects.delete_project(project_id=project)


def _iam(api: IamV1Alpha1API, project: str) -> None:
    application = api.create_application(name="deploy", description="")
    rule = RuleSpecs(permission_set_names=["ContainersFullAccess"], condition="", project_ids=[project])
    policy = api.create_policy(name="deploy", description="", application_id=application.id, rules=[rule])
    api.list_rules_all(policy_id=policy.id)
    key = api.create_api_key(description="", application_id=application.id, default_project_id=project)
    api.get_api_key(access_key=key.access_key)
    api.list_permission_sets_all()
    api.delete_api_key(access_key=key.access_key)
    api.delete_policy(policy_id=policy.id)
    api.delete_application(application_id=application.id)


def _registry(api: RegistryV1API, project: str) -> None:
    namespace = api.create_namespace(description="", is_public=False, name="snu-sdk", project_id=project)
    api.list_images_all(namespace_id=namespace.id)
    api.update_namespace(namespace_id=namespace.id, description="changed")
    api.delete_namespace(namespace_id=namespace.id)


def _secrets(api: SecretV1Beta1API, project: str) -> None:
    secret = api.create_secret(name="snu-sdk", protected=False, project_id=project)
    api.create_secret_version(secret_id=secret.id, data="eyJrZXkiOiAic2VjcmV0In0=")
    api.access_secret_version(secret_id=secret.id, revision="latest_enabled")
    api.list_secret_versions_all(secret_id=secret.id)
    api.delete_secret(secret_id=secret.id)


def _containers(api: ContainerV1API, project: str) -> None:
    namespace = api.create_namespace(name="snu-sdk", project_id=project)
    api.wait_for_namespace(namespace_id=namespace.id)
    container = api.create_container(
        namespace_id=namespace.id,
        name="api",
        image="registry.test/api@sha256:" + "0" * 64,
        environment_variables={"A": "plain"},
        secret_environment_variables={"B": "secret"},
    )
    api.wait_for_container(container_id=container.id)
    api.update_container(container_id=container.id, port=8081)
    api.list_containers_all(namespace_id=namespace.id)
    api.delete_container(container_id=container.id)
    api.delete_namespace(namespace_id=namespace.id)


def _domain(api: DomainV2Beta1API, project: str) -> None:
    api.create_dns_zone(domain="snu.localhost", subdomain="sdk", project_id=project)
    record = Record(data="192.0.2.1", name="www", priority=0, ttl=300, type_=RecordType.A, id="")
    change = RecordChange(add=RecordChangeAdd(records=[record]))
    api.update_dns_zone_records(dns_zone="sdk.snu.localhost", changes=[change], disallow_new_zone_creation=True)
    api.list_dns_zone_records_all(dns_zone="sdk.snu.localhost", name="www")
    api.delete_dns_zone(dns_zone="sdk.snu.localhost", project_id=project)


def _databases(api: ServerlessSqldbV1Alpha1API, project: str) -> None:
    database = api.create_database(name="snu-sdk", cpu_min=0, cpu_max=1, project_id=project)
    api.wait_for_database(database_id=database.id)
    api.update_database(database_id=database.id, cpu_max=2)
    api.delete_database(database_id=database.id)


def _cockpit(api: CockpitV1RegionalAPI, project: str) -> None:
    source = api.create_data_source(name="snu-sdk", project_id=project, type_=DataSourceType.LOGS, retention_days=7)
    token = api.create_token(name="snu-sdk", project_id=project)
    api.list_tokens_all(project_id=project)
    api.delete_token(token_id=token.id)
    api.delete_data_source(data_source_id=source.id)


def _jobs(api: JobsV1Alpha2API, project: str) -> None:
    definition = api.create_job_definition(
        name="report",
        cpu_limit=140,
        memory_limit=256,
        local_storage_capacity=1024,
        startup_command=[],
        args=[],
        image_uri="registry.test/report:1",
        description="",
        project_id=project,
        environment_variables={"A": "plain"},
    )
    api.start_job_definition(job_definition_id=definition.id)
    api.list_job_runs_all(job_definition_id=definition.id)
    api.delete_job_definition(job_definition_id=definition.id)
