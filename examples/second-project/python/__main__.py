"""Another organization's first app: a registry, a database for the state, and a container."""

import pulumi
import pulumi_snu as snu
import pulumiverse_scaleway as scaleway

prefix = pulumi.Config().require("prefix")
project = scaleway.account.Project("project", name=prefix)

registry = snu.Registry("registry", namespace_name=f"{prefix}-images", project_id=project.id)
state = snu.BackendDatabase(
    "state",
    environment="production",
    database_name=f"{prefix}-state",
    application_name=f"{prefix}-state",
    reader_application_name=f"{prefix}-state-reader",
    project_id=project.id,
)
namespace = scaleway.containers.Namespace("namespace", name=prefix, project_id=project.id)
shop = snu.ContainerApp(
    "shop",
    container_name="shop",
    namespace_id=namespace.id,
    image=registry.endpoint.apply(lambda endpoint: f"{endpoint}/shop:1.0.0"),
    cpu=250,
    memory=512,
    variables={"LOG_LEVEL": "info"},
)

pulumi.export("url", shop.endpoint)
pulumi.export("backendUrl", state.url)
