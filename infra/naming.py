"""The names of all resources, derived from the settings.

Does not import Pulumi, so `snu` can derive the same names as the program.
"""

NAME_PATTERN = r"^[a-z]([a-z0-9-]*[a-z0-9])?$"
"""Names of environments and apps: lower-case letters, digits and hyphens; start with a letter, do not end with a
hyphen."""

PREVIEW_NAMESPACE = "snu-preview"
"""The container namespace of all preview environments. It is shared because each namespace's IAM application and policy
count towards the organization's quotas."""


def project(name: str) -> str:
    """The Scaleway project: `snu-ci`."""
    return f"snu-{name}"


def registry_namespace(environment: str) -> str:
    """An environment's registry namespace; unique in its region across all organizations."""
    return f"snu-{environment}"


def container_namespace(environment: str) -> str:
    """The container namespace of an environment that is not a preview."""
    return f"snu-{environment}"


def container(environment: str, app: str) -> str:
    """A container's default name: `staging-api`. At most `scaleway_facts.limits.CONTAINER_NAME` characters."""
    return f"{environment}-{app}"


def job(environment: str, job_key: str) -> str:
    """A job definition's default name."""
    return f"{environment}-{job_key}"


def command_job(app: str, command: str) -> str:
    """The key of the job that runs an app's command (`release` or `seed`); also its name in the program."""
    return f"{app}-{command}"


def secret(environment: str) -> str:
    """An environment's secret document: `snu-staging`."""
    return f"snu-{environment}"


def deploy_application(environment: str) -> str:
    """The IAM application that deploys an environment."""
    return f"snu-deploy-{environment}"


def preview_application(environment: str) -> str:
    """The read-only IAM application that previews an environment."""
    return f"snu-preview-{environment}"


def previews_application(project_name: str) -> str:
    """The IAM application that deploys a project's preview environments."""
    return f"snu-deploy-{project_name}-previews"


def foundation_preview_application(project_name: str) -> str:
    """The IAM application that previews a foundation with read-only access."""
    return f"snu-preview-foundation-{project_name}"


def secret_reader_application(environment: str) -> str:
    """The IAM application that reads only an environment's secret document."""
    return f"snu-get-secret-{environment}"


def state_application(environment: str) -> str:
    """The IAM application that accesses an environment's serverless backend database."""
    return f"snu-state-{environment}"


def state_bucket_application(environment: str) -> str:
    """The IAM application that accesses an environment's state bucket."""
    return f"snu-state-bucket-{environment}"


def state_reader(application: str) -> str:
    """The read-only counterpart of an IAM application that accesses state."""
    return f"{application}-reader"


def applications(environment: str) -> list[str]:
    """An environment's IAM applications, for all kinds of backends."""
    states = (state_application(environment), state_bucket_application(environment))
    return [
        deploy_application(environment),
        preview_application(environment),
        secret_reader_application(environment),
        alerts_application(environment),
        logs_application(environment),
        release_application(environment),
        *states,
        *map(state_reader, states),
    ]


HANDED_OUT_KEY = "Made with snu keys, and in no state"
"""The description of API keys that an owner creates for users or CI."""


def policy(application: str) -> str:
    """The policy of an IAM application."""
    return f"{application}-policy"


def state_database(environment: str) -> str:
    """The serverless database or database instance that stores an environment's state."""
    return f"snu-state-{environment}"


def foundation_state_bucket(project_name: str) -> str:
    """The bucket that stores a foundation's own state; unique across all Scaleway customers."""
    return f"snu-state-{project_name}"


def environment_state_bucket(project_name: str, environment: str) -> str:
    """The bucket that stores an environment's state; unique across all Scaleway customers."""
    return f"snu-state-{project_name}-{environment}"


def foundation_state_secret(project_name: str) -> str:
    """The secret with a foundation's backend address and credentials, in the organization's default project."""
    return f"snu-foundation-{project_name}-state"


def environment_state_secret(environment: str) -> str:
    """The secret with an environment's backend address and credentials, in the foundation's project."""
    return f"snu-{environment}-state"


def state_reader_secret(environment: str) -> str:
    """The secret with read-only credentials for an environment's state, in the foundation's project."""
    return f"snu-{environment}-state-reader"


def alerts_application(environment: str) -> str:
    """The IAM application of the crash alerts job, which reads containers and stores its state in a bucket."""
    return f"snu-alerts-{environment}"


def alerts_bucket(project_name: str, environment: str) -> str:
    """The bucket that stores the crash alerts job's state; unique across all Scaleway customers."""
    return f"snu-alerts-{project_name}-{environment}"


def alerts_secret(environment: str) -> str:
    """The secret with the crash alerts job's configuration and credentials."""
    return f"snu-{environment}-alerts"


def logs_application(environment: str) -> str:
    """The IAM application that only reads an environment's logs."""
    return f"snu-logs-{environment}"


def logs_secret(environment: str) -> str:
    """The secret with the URL and the token for queries of an environment's logs."""
    return f"snu-{environment}-logs"


def release_application(environment: str) -> str:
    """The IAM application that starts the jobs of release commands."""
    return f"snu-release-{environment}"


def release_secret(environment: str) -> str:
    """The secret with the API key that starts the jobs of release commands."""
    return f"snu-{environment}-release"


ALERTS_STATE = "crash-alerts.json"
"""The object in the crash alerts bucket that contains the job's state."""

ALERTS_JOB = "crash-alerts"
"""The crash alerts job's key, from which its definition's name is derived."""

STATE_DATABASE = "pulumi_state"
"""The database on an instance, used to store the state."""

STATE_USER = "pulumi"
"""The non-administrator user of that database."""

STATE_READER = "pulumi_reader"
"""The read-only user of that database."""

STATE_ADMINISTRATOR = "snu_admin"
"""The administrator that every instance must have. Not used to access the state."""


def logs_source(project_name: str) -> str:
    """The data source for the project's own logs."""
    return f"snu-{project_name}-logs"


def logs_reader_token(project_name: str) -> str:
    """The token that can only query logs."""
    return f"snu-{project_name}-logs-reader"


def image(registry_endpoint: str, name: str, digest: str) -> str:
    """An image reference by digest, because tags can move."""
    return f"{registry_endpoint}/{name}@{digest}"


def built_images(stack: str) -> str:
    """Path of the file that lists the images built for a stack, relative to the project folder."""
    return f".local/images/{stack}.yaml"


def split_zone(zone: str) -> tuple[str, str]:
    """Splits a zone into its subdomain and domain: `ci`, `beta-snu.dev`."""
    subdomain, _, domain = zone.partition(".")
    return subdomain, domain


def is_in_zone(host: str, zone: str) -> bool:
    """Whether a host's record belongs in a zone."""
    return host.endswith(f".{zone}")


def record(host: str, zone: str) -> str:
    """The name of a host's record, relative to its zone."""
    return host.removesuffix(f".{zone}")


def url(template: str, host: str) -> str:
    """The URL of a host; the template is the environment's `snu:urlTemplate`."""
    return template.replace("{host}", host)
