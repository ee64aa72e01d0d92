import * as pulumi from "@pulumi/pulumi";
import * as snu from "@pulumi/snu";
import * as scaleway from "@pulumiverse/scaleway";

const digest = `sha256:${"0".repeat(64)}`;
const organizationId = "10ca1000-0000-4000-8000-000000000001";

const projectId = new scaleway.account.Project("project", { name: "acme" }).id;
const registry = new snu.Registry("registry", { namespaceName: "acme-test", projectId });
const document = new snu.EnvironmentSecrets("document", {
    secretName: "acme-test",
    projectId,
    initial: JSON.stringify({ SLACK_WEBHOOK: "https://example.test/hook" }),
});
new snu.BackendBucket("bucket-state", {
    environment: "bucket",
    applicationName: "acme-state-bucket",
    readerApplicationName: "acme-state-bucket-reader",
    projectId,
});
const state = new snu.BackendDatabase("state", {
    environment: "test",
    databaseName: "acme-state",
    applicationName: "acme-state",
    readerApplicationName: "acme-state-reader",
    projectId,
});
const instance = new snu.BackendInstance("instance-state", {
    environment: "instance",
    instanceName: "acme-state",
    databaseName: "pulumi_state",
    administratorName: "acme_admin",
    administratorPassword: pulumi.secret("not-A-real-passw0rd"),
    userName: "pulumi",
    userPassword: pulumi.secret("not-A-real-passw0rd"),
    allowedRanges: ["203.0.113.7/32"],
    projectId,
});
new snu.DeployAccess("deploy", {
    environment: "test",
    deployApplication: "acme-deploy",
    previewApplication: "acme-preview",
    readerApplication: "acme-get-secret",
    documentSecret: "acme-test",
    stateSecret: "acme-test-state",
    stateReaderSecret: "acme-test-state-reader",
    projectId,
    organizationId,
});
new snu.PreviewsAccess("previews", {
    project: "acme",
    applicationName: "acme-deploy-previews",
    projectId,
    organizationId,
});
new snu.FoundationPreviewAccess("foundation-preview", {
    project: "acme",
    applicationName: "acme-preview-foundation",
    projectId,
    organizationId,
    stateSecret: "acme-foundation-state",
    stateReaderSecrets: ["acme-test-state-reader"],
});
const observability = new snu.Observability("observability", {
    logsName: "acme-logs",
    logsTokenName: "acme-logs-reader",
    projectId,
    logRetention: 7,
    alertEmails: ["ops@example.test"],
});
const alerts = new snu.AlertsAccess("alerts", {
    environment: "test",
    applicationName: "acme-alerts",
    secretName: "acme-alerts",
    bucketName: "acme-alerts-test",
    projectId,
    logsUrl: observability.platformLogsUrl,
    logsToken: observability.logsToken,
    logsRegion: observability.platformLogsRegion,
    logsRetention: observability.platformLogsRetention,
});
new snu.LogsAccess("logs-access", {
    environment: "test",
    applicationName: "acme-logs",
    secretName: "acme-logs",
    projectId,
    logsUrl: observability.platformLogsUrl,
    logsToken: observability.logsToken,
});
const namespaceId = new scaleway.containers.Namespace("namespace", { name: "acme-test", projectId }).id;
const api = new snu.ContainerApp("api", {
    containerName: "api",
    namespaceId,
    image: pulumi.interpolate`${registry.endpoint}/api@${digest}`,
    cpu: 256,
    memory: 512,
    maxScale: 2,
    variables: { LOG_LEVEL: "info", DOCUMENT: document.secretId },
    secretVariables: { TOKEN: pulumi.secret("not-a-real-token") },
    livenessProbe: { path: "/health", interval: 30 },
});
new snu.ScheduledJob("report", {
    jobName: "report",
    image: pulumi.interpolate`${registry.endpoint}/report@${digest}`,
    cpu: 140,
    memory: 256,
    timeout: 3600,
    cron: "0 4 * * *",
    timezone: "Europe/Paris",
    projectId,
});
new snu.CrashAlerts("crash-alerts", {
    jobName: "crash-alerts",
    environment: "test",
    namespaceId,
    image: pulumi.interpolate`${registry.endpoint}/crash-alerts@${digest}`,
    documentId: document.secretId,
    accessId: alerts.secretId,
    webhookKey: "SLACK_WEBHOOK",
    projectId,
});

export const endpoint = api.endpoint;
export const backendUrl = state.url;
export const instanceUrl = instance.url;
