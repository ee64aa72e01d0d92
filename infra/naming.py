"""Every name that this project gives to something, and the limits that Scaleway sets on names.

Pure functions of words that stand in the settings. Nothing here imports Pulumi, so that the
command can name things as the program does.
"""

NAME_PATTERN = r"^[a-z]([a-z0-9-]*[a-z0-9])?$"
"""Environments and apps: starts with a letter, lower case letters, digits and hyphens, ends alphanumeric."""

PREVIEW_NAMESPACE = "snu-preview"
"""The container namespace that all preview environments share: each namespace costs an IAM
application and a policy of the organization's quotas."""


def project(name: str) -> str:
    """The Scaleway project: `snu-ci`."""
    return f"snu-{name}"


def registry_namespace(environment: str) -> str:
    """The registry namespace of an environment: unique in the region across all organizations."""
    return f"snu-{environment}"


def container_namespace(environment: str) -> str:
    """The container namespace of an environment that is not a preview."""
    return f"snu-{environment}"


def container(environment: str, app: str) -> str:
    """A container: `staging-api`. At most `scaleway_facts.limits.CONTAINER_NAME` characters."""
    return f"{environment}-{app}"


def job(environment: str, job_key: str) -> str:
    """A job definition that has no name of its own in the settings."""
    return f"{environment}-{job_key}"


def secret(environment: str) -> str:
    """The secret that holds an environment's document: `snu-staging`."""
    return f"snu-{environment}"


def deploy_application(environment: str) -> str:
    """The IAM application that deploys an environment."""
    return f"snu-deploy-{environment}"


def preview_application(environment: str) -> str:
    """The IAM application that previews an environment and writes nothing."""
    return f"snu-preview-{environment}"


def previews_application(project_name: str) -> str:
    """The IAM application that deploys the preview environments of a project."""
    return f"snu-deploy-{project_name}-previews"


def foundation_preview_application(project_name: str) -> str:
    """The IAM application that previews a foundation and writes nothing."""
    return f"snu-preview-foundation-{project_name}"


def secret_reader_application(environment: str) -> str:
    """The IAM application that reads an environment's secret document and nothing else."""
    return f"snu-get-secret-{environment}"


def state_application(environment: str) -> str:
    """The IAM application that a serverless backend database knows as its user."""
    return f"snu-state-{environment}"


def state_bucket_application(environment: str) -> str:
    """The IAM application that keeps an environment's state in a bucket."""
    return f"snu-state-bucket-{environment}"


def state_reader(application: str) -> str:
    """The IAM application that reads the state that another one keeps."""
    return f"{application}-reader"


def applications(environment: str) -> list[str]:
    """The IAM applications of an environment, whatever its state is kept in."""
    states = (state_application(environment), state_bucket_application(environment))
    return [
        deploy_application(environment),
        preview_application(environment),
        secret_reader_application(environment),
        alerts_application(environment),
        *states,
        *map(state_reader, states),
    ]


HANDED_OUT_KEY = "Made with snu keys, and in no state"
"""The description of an API key that an owner has made for people or CI."""


def policy(application: str) -> str:
    """The policy of an IAM application."""
    return f"{application}-policy"


def state_database(environment: str) -> str:
    """The backend database (serverless) or the instance that holds it."""
    return f"snu-state-{environment}"


def foundation_state_bucket(project_name: str) -> str:
    """The bucket of a foundation's own state: unique across all customers of Scaleway."""
    return f"snu-state-{project_name}"


def environment_state_bucket(project_name: str, environment: str) -> str:
    """The bucket of an environment's state, where its backend is a bucket."""
    return f"snu-state-{project_name}-{environment}"


def foundation_state_secret(project_name: str) -> str:
    """The secret of the organization's default project that says how a foundation's state is reached."""
    return f"snu-foundation-{project_name}-state"


def environment_state_secret(environment: str) -> str:
    """The secret of the foundation's project that says how an environment's state is reached."""
    return f"snu-{environment}-state"


def state_reader_secret(environment: str) -> str:
    """The secret of the foundation's project that says how an environment's state is read, and not written."""
    return f"snu-{environment}-state-reader"


def alerts_application(environment: str) -> str:
    """The IAM application as which the job that tells of crashes looks at containers and keeps its state."""
    return f"snu-alerts-{environment}"


def alerts_bucket(project_name: str, environment: str) -> str:
    """The bucket of that job's state: unique across all customers of Scaleway."""
    return f"snu-alerts-{project_name}-{environment}"


def alerts_secret(environment: str) -> str:
    """The secret with that job's access: where logs and state are, and its keys."""
    return f"snu-{environment}-alerts"


ALERTS_STATE = "crash-alerts.json"
"""The object in that bucket which is the job's state."""

ALERTS_JOB = "crash-alerts"
"""The job's key: its definition is called as a job of that key would be."""

STATE_DATABASE = "pulumi_state"
"""The database inside an instance."""

STATE_USER = "pulumi"
"""The user of that database, no administrator."""

STATE_READER = "pulumi_reader"
"""The user that may read it and write nothing."""

STATE_ADMINISTRATOR = "snu_admin"
"""The administrator that an instance must have; Pulumi's state is never reached with it."""


def logs_source(project_name: str) -> str:
    """The data source for logs that the project writes itself."""
    return f"snu-{project_name}-logs"


def logs_reader_token(project_name: str) -> str:
    """The token that may query logs and nothing else."""
    return f"snu-{project_name}-logs-reader"


def image(registry_endpoint: str, name: str, digest: str) -> str:
    """The reference of an image by its content: never by a tag, which can move."""
    return f"{registry_endpoint}/{name}@{digest}"


def built_images(stack: str) -> str:
    """The file with the images that were built for a stack, relative to the project's folder."""
    return f".local/images/{stack}.yaml"


def split_zone(zone: str) -> tuple[str, str]:
    """A zone's own label and the domain that it belongs to: `ci`, `beta-snu.dev`."""
    subdomain, _, domain = zone.partition(".")
    return subdomain, domain


def is_in_zone(host: str, zone: str) -> bool:
    """Whether a host's record belongs into a zone."""
    return host.endswith(f".{zone}")


def record(host: str, zone: str) -> str:
    """The name of a host's record, relative to its zone."""
    return host.removesuffix(f".{zone}")


def url(template: str, host: str) -> str:
    """Where a host is reached: the template is the environment's `snu:urlTemplate`."""
    return template.replace("{host}", host)
