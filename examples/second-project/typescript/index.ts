import * as pulumi from "@pulumi/pulumi";
import * as snu from "@pulumi/snu";
import * as scaleway from "@pulumiverse/scaleway";

const prefix = new pulumi.Config().require("prefix");
const projectId = new scaleway.account.Project("project", { name: prefix }).id;

const registry = new snu.Registry("registry", { namespaceName: `${prefix}-images`, projectId });
const state = new snu.BackendDatabase("state", {
    environment: "production",
    databaseName: `${prefix}-state`,
    applicationName: `${prefix}-state`,
    readerApplicationName: `${prefix}-state-reader`,
    projectId,
});
const namespace = new scaleway.containers.Namespace("namespace", { name: prefix, projectId });
const shop = new snu.ContainerApp("shop", {
    containerName: "shop",
    namespaceId: namespace.id,
    image: pulumi.interpolate`${registry.endpoint}/shop:1.0.0`,
    cpu: 250,
    memory: 512,
    variables: { LOG_LEVEL: "info" },
});

export const url = shop.endpoint;
export const backendUrl = state.url;
