"""Every component once, in Python."""

import json

import pulumi
import pulumi_snu as snu
import pulumiverse_scaleway as scaleway

DIGEST = f"sha256:{'0' * 64}"
ORGANIZATION_ID = "10ca1000-0000-4000-8000-000000000001"

project_id = scaleway.account.Project("project", name="acme").id
registry = snu.Registry("registry", namespace_name="acme-test", project_id=project_id)
document = snu.EnvironmentSecrets(
    "document",
    secret_name="acme-test",
    project_id=project_id,
    initial=json.dumps({"SLACK_WEBHOOK": "https://example.test/hook"}),
)
snu.BackendBucket(
    "bucket-state",
    environment="bucket",
    application_name="acme-state-bucket",
    reader_application_name="acme-state-bucket-reader",
    project_id=project_id,
)
state = snu.BackendDatabase(
    "state",
    environment="test",
    database_name="acme-state",
    application_name="acme-state",
    reader_application_name="acme-state-reader",
    project_id=project_id,
)
instance = snu.BackendInstance(
    "instance-state",
    environment="instance",
    instance_name="acme-state",
    database_name="pulumi_state",
    administrator_name="acme_admin",
    administrator_password=pulumi.Output.secret("not-A-real-passw0rd"),
    user_name="pulumi",
    user_password=pulumi.Output.secret("not-A-real-passw0rd"),
    allowed_ranges=["203.0.113.7/32"],
    project_id=project_id,
)
snu.DeployAccess(
    "deploy",
    environment="test",
    deploy_application="acme-deploy",
    preview_application="acme-preview",
    reader_application="acme-get-secret",
    document_secret="acme-test",
    state_secret="acme-test-state",
    state_reader_secret="acme-test-state-reader",
    project_id=project_id,
    organization_id=ORGANIZATION_ID,
)
snu.PreviewsAccess(
    "previews",
    project="acme",
    application_name="acme-deploy-previews",
    project_id=project_id,
    organization_id=ORGANIZATION_ID,
)
snu.FoundationPreviewAccess(
    "foundation-preview",
    project="acme",
    application_name="acme-preview-foundation",
    project_id=project_id,
    organization_id=ORGANIZATION_ID,
    state_secret="acme-foundation-state",
    state_reader_secrets=["acme-test-state-reader"],
)
observability = snu.Observability(
    "observability",
    logs_name="acme-logs",
    logs_token_name="acme-logs-reader",
    project_id=project_id,
    log_retention=7,
    alert_emails=["ops@example.test"],
)
alerts = snu.AlertsAccess(
    "alerts",
    environment="test",
    application_name="acme-alerts",
    secret_name="acme-alerts",
    bucket_name="acme-alerts-test",
    project_id=project_id,
    logs_url=observability.platform_logs_url,
    logs_token=observability.logs_token,
    logs_region=observability.platform_logs_region,
    logs_retention=observability.platform_logs_retention,
)
snu.LogsAccess(
    "logs-access",
    environment="test",
    application_name="acme-logs",
    secret_name="acme-logs",
    project_id=project_id,
    logs_url=observability.platform_logs_url,
    logs_token=observability.logs_token,
)
namespace_id = scaleway.containers.Namespace("namespace", name="acme-test", project_id=project_id).id
api = snu.ContainerApp(
    "api",
    container_name="api",
    namespace_id=namespace_id,
    image=registry.endpoint.apply(lambda endpoint: f"{endpoint}/api@{DIGEST}"),
    cpu=256,
    memory=512,
    max_scale=2,
    variables={"LOG_LEVEL": "info", "DOCUMENT": document.secret_id},
    secret_variables={"TOKEN": pulumi.Output.secret("not-a-real-token")},
    liveness_probe={"path": "/health", "interval": 30},
)
snu.ScheduledJob(
    "report",
    job_name="report",
    image=registry.endpoint.apply(lambda endpoint: f"{endpoint}/report@{DIGEST}"),
    cpu=140,
    memory=256,
    timeout=3600,
    cron="0 4 * * *",
    timezone="Europe/Paris",
    project_id=project_id,
)
snu.CrashAlerts(
    "crash-alerts",
    job_name="crash-alerts",
    environment="test",
    namespace_id=namespace_id,
    image=registry.endpoint.apply(lambda endpoint: f"{endpoint}/crash-alerts@{DIGEST}"),
    document_id=document.secret_id,
    access_id=alerts.secret_id,
    webhook_key="SLACK_WEBHOOK",
    project_id=project_id,
)

pulumi.export("endpoint", api.endpoint)
pulumi.export("backendUrl", state.url)
pulumi.export("instanceUrl", instance.url)
