"""An app whose image Pulumi builds: a registry, the image, and a container that runs it."""

import pulumi
import pulumi_snu as snu
import pulumiverse_scaleway as scaleway

project_id = scaleway.account.Project("project", name="acme").id
registry = snu.Registry("registry", namespace_name="acme-images", project_id=project_id)
namespace = scaleway.containers.Namespace("namespace", name="acme", project_id=project_id)

# Docker must be running and logged in to the registry: docker login rg.fr-par.scw.cloud -u nologin
image = snu.AppImage(
    "hello",
    repository=registry.endpoint.apply(lambda endpoint: f"{endpoint}/hello"),
    tag="1",  # a new tag for each change of the folder, because the image is rebuilt only when an argument changes
    context="hello",
)
hello = snu.ContainerApp(
    "hello",
    container_name="hello",
    namespace_id=namespace.id,
    image=image.reference,
    cpu=250,
    memory=256,
)

pulumi.export("image", image.reference)
pulumi.export("url", hello.endpoint)
