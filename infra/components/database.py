"""The PostgreSQL database that stores an environment's Pulumi state."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import quote

import pulumi
from pulumiverse_scaleway import databases
from pulumiverse_scaleway.databases.outputs import InstanceLoadBalancer, InstancePrivateNetwork

from infra import naming
from infra.components.state_access import state_access
from infra.secret_output import secret
from infra.settings import InstanceBackend, ServerlessBackend
from infra.settings.models import DatabasePasswords


@dataclass(frozen=True, kw_only=True)
class BackendDatabaseArgs:
    """Arguments of `BackendDatabase`."""

    environment: str
    """The environment that stores its state in the database."""
    project_id: pulumi.Input[str]
    """Project of the database."""
    backend: ServerlessBackend | InstanceBackend
    """Kind and size of the database."""
    passwords: DatabasePasswords | None = None
    """Passwords of an instance; None for a serverless database."""


class BackendDatabase(pulumi.ComponentResource):
    """The database used as an environment's backend (`snu:database:BackendDatabase`).

    Children of a serverless database:

    - `<name>-database`: a Serverless SQL database
    - `<name>-application`, `<name>-policy`: an IAM application that reads and writes it. Its permissions apply to the
      whole project, because Scaleway cannot restrict them to a single database.
    - `<name>-reader-application`, `<name>-reader-policy`: an IAM application with read-only access

    Children of an instance:

    - `<name>-instance`: a PostgreSQL instance, encrypted at rest, with backups
    - `<name>-acl`: the networks that may connect, unless the only endpoint is in a private network
    - `<name>-database`, `<name>-user`, `<name>-privilege`: a database and its non-administrator user
    - `<name>-reader`, `<name>-reader-privilege`: a read-only user, if a password is set for it
    """

    url: pulumi.Output[str]
    """The value for `PULUMI_BACKEND_URL`. A serverless database's URL omits the credentials, an API key created by
    `snu keys store`. An instance's URL contains the user's password and is therefore secret."""
    reader_url: pulumi.Output[str] | None = None
    """An instance's URL with the read-only user's password; None if no read-only user exists."""
    connection: pulumi.Output[dict[str, str]] | None = None
    """An instance's connection parameters: `certificate`, the PEM certificate used to verify the server, and
    `openInstance`, the instance's id if runs add their address to its ACL. None for a serverless database."""

    def __init__(self, name: str, args: BackendDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component and its children."""
        super().__init__("snu:database:BackendDatabase", name, None, opts)
        match args.backend:
            case ServerlessBackend():
                self.url = self._serverless(name, args, args.backend)
            case InstanceBackend():
                self.url, self.reader_url, self.connection = self._instance(name, args, args.backend)
        self.register_outputs({"url": self.url, "readerUrl": self.reader_url, "connection": self.connection})

    def _serverless(self, name: str, args: BackendDatabaseArgs, backend: ServerlessBackend) -> pulumi.Output[str]:
        child = pulumi.ResourceOptions(parent=self)
        database = databases.ServerlessDatabase(
            f"{name}-database",
            name=naming.state_database(args.environment),
            min_cpu=backend.min_cpu,
            max_cpu=backend.max_cpu,
            project_id=args.project_id,
            opts=child,
        )
        state_access(
            name,
            args.environment,
            naming.state_application(args.environment),
            args.project_id,
            ("ServerlessSQLDatabaseReadWrite",),
            ("ServerlessSQLDatabaseReadOnly",),
            child,
        )
        return database.endpoint

    def _instance(
        self, name: str, args: BackendDatabaseArgs, backend: InstanceBackend
    ) -> tuple[pulumi.Output[str], pulumi.Output[str] | None, pulumi.Output[dict[str, str]]]:
        if args.passwords is None:
            raise pulumi.RunError(f"no passwords are set for the database instance of {args.environment}")
        child = pulumi.ResourceOptions(parent=self)
        user_password = pulumi.Output.secret(args.passwords.user.get_secret_value())
        instance = databases.Instance(
            f"{name}-instance",
            name=naming.state_database(args.environment),
            engine=backend.engine,
            node_type=backend.node_type,
            volume_type="sbs_5k",
            volume_size_in_gb=backend.volume_size,
            encryption_at_rest=True,
            is_ha_cluster=False,
            disable_backup=False,
            backup_schedule_frequency=backend.backup_frequency,
            backup_schedule_retention=backend.backup_retention,
            user_name=naming.STATE_ADMINISTRATOR,
            password=pulumi.Output.secret(args.passwords.administrator.get_secret_value()),
            private_network=_private_network(backend),
            project_id=args.project_id,
            opts=child,
        )
        if backend.private_network is None:
            databases.Acl(
                f"{name}-acl",
                instance_id=instance.id,
                acl_rules=[
                    databases.AclAclRuleArgs(ip=ip, description=f"May store the Pulumi state of {args.environment}")
                    for ip in sorted(set(backend.allowed_ranges), key=_by_address)
                ],
                opts=child,
            )
        database = databases.Database(
            f"{name}-database", instance_id=instance.id, name=naming.STATE_DATABASE, opts=child
        )

        def add_user(
            user_resource: str, privilege: str, user_name: str, password: pulumi.Output[str], permission: str
        ) -> None:
            user = databases.User(
                user_resource, instance_id=instance.id, name=user_name, password=password, is_admin=False, opts=child
            )
            databases.Privilege(
                privilege,
                instance_id=instance.id,
                database_name=database.name,
                user_name=user.name,
                permission=permission,
                opts=child,
            )

        add_user(f"{name}-user", f"{name}-privilege", naming.STATE_USER, user_password, "all")
        is_public = backend.private_network is None
        address = instance.load_balancer.apply(_address) if is_public else instance.private_network.apply(_address)
        url = _instance_url(address, naming.STATE_USER, user_password)
        reader_url = None
        if args.passwords.reader is not None:
            reader_password = pulumi.Output.secret(args.passwords.reader.get_secret_value())
            add_user(f"{name}-reader", f"{name}-reader-privilege", naming.STATE_READER, reader_password, "readonly")
            reader_url = _instance_url(address, naming.STATE_READER, reader_password)
        connection: dict[str, pulumi.Input[str]] = {"certificate": instance.certificate}
        if backend.open_for_runs:
            connection["openInstance"] = instance.id
        return url, reader_url, pulumi.Output.all(**connection)


def _private_network(backend: InstanceBackend) -> databases.InstancePrivateNetworkArgs | None:
    if backend.private_network is None:
        return None
    return databases.InstancePrivateNetworkArgs(pn_id=backend.private_network, enable_ipam=True)


def _by_address(network: str) -> tuple[int, bytes, int]:
    """Sort key of a network; makes the ACL independent of the order in the settings."""
    parsed = ipaddress.ip_network(network)
    return parsed.version, parsed.network_address.packed, parsed.prefixlen


def _address(endpoint: InstanceLoadBalancer | InstancePrivateNetwork | None) -> str:
    if endpoint is None:
        raise pulumi.RunError("the database instance lacks the endpoint that the settings require")
    return f"{endpoint.ip}:{endpoint.port}"


def _instance_url(address: pulumi.Output[str], user: str, password: pulumi.Output[str]) -> pulumi.Output[str]:
    def url(address: str, password: str) -> str:
        login = f"{user}:{quote(password, safe='')}"
        return f"postgres://{login}@{address}/{naming.STATE_DATABASE}?sslmode=verify-full"

    return secret(pulumi.Output.all(address, password).apply(lambda parts: url(*parts)))
