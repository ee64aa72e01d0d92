"""The Serverless SQL database that stores an environment's Pulumi state."""

from typing import NotRequired, TypedDict

import pulumi
from pulumiverse_scaleway import databases

from . import defaults
from .access import grant_state
from .component import Component


class BackendDatabaseArgs(TypedDict):
    """Arguments of `BackendDatabase`."""

    environment: str
    """Name of the environment that stores its state in the database; used in descriptions."""
    database_name: pulumi.Input[str]
    """Name of the database."""
    application_name: str
    """Name of the IAM application that reads and writes the database."""
    reader_application_name: str
    """Name of the IAM application with read-only access."""
    project_id: pulumi.Input[str]
    """Project of the database."""
    min_cpu: NotRequired[pulumi.Input[int]]
    """Minimum number of vCPUs; with 0, an idle database is suspended. Default: 0."""
    max_cpu: NotRequired[pulumi.Input[int]]
    """Maximum number of vCPUs. Default: 1."""


class BackendDatabase(Component):
    """The Serverless SQL database used as an environment's backend.

    Children:

    - `<name>-database`: a Serverless SQL database
    - `<name>-application`, `<name>-policy`: an IAM application that reads and writes it. Its permissions apply to the
      whole project, because Scaleway cannot restrict them to a single database.
    - `<name>-reader-application`, `<name>-reader-policy`: an IAM application with read-only access
    """

    url: pulumi.Output[str]
    """The value for `PULUMI_BACKEND_URL`, without credentials: these are an API key of the application."""

    _former_type = "snu:database:BackendDatabase"

    def __init__(self, name: str, args: BackendDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        child = pulumi.ResourceOptions(parent=self)
        database = databases.ServerlessDatabase(
            f"{name}-database",
            name=args["database_name"],
            min_cpu=args.get("min_cpu", defaults.SERVERLESS_MIN_CPU),
            max_cpu=args.get("max_cpu", defaults.SERVERLESS_MAX_CPU),
            project_id=args["project_id"],
            opts=child,
        )
        grant_state(
            name,
            args["environment"],
            args["application_name"],
            args["reader_application_name"],
            args["project_id"],
            ("ServerlessSQLDatabaseReadWrite",),
            ("ServerlessSQLDatabaseReadOnly",),
            child,
        )
        self.url = database.endpoint
        self.register_outputs({"url": self.url})
