"""The PostgreSQL instance that stores an environment's Pulumi state."""

import ipaddress
from collections.abc import Sequence
from typing import NotRequired, TypedDict
from urllib.parse import quote

import pulumi
from pulumiverse_scaleway import databases
from pulumiverse_scaleway.databases.outputs import InstanceLoadBalancer, InstancePrivateNetwork

from . import defaults
from .component import Component
from .secret_output import secret


class BackendInstanceArgs(TypedDict):
    """Arguments of `BackendInstance`."""

    environment: str
    """Name of the environment that stores its state in the database; used in descriptions."""
    instance_name: pulumi.Input[str]
    """Name of the instance."""
    database_name: str
    """Name of the database on the instance."""
    administrator_name: pulumi.Input[str]
    """Name of the administrator account that every instance must have. It is not used to access the state."""
    administrator_password: pulumi.Input[str]
    """Password of the administrator; secret in the state."""
    user_name: str
    """Name of the user that reads and writes the state."""
    user_password: pulumi.Input[str]
    """Password of this user; secret in the state."""
    reader_name: NotRequired[str | None]
    """Name of a user with read-only access. If unset, no such user is created."""
    reader_password: NotRequired[pulumi.Input[str] | None]
    """Password of this user; secret in the state. Required with `readerName`."""
    allowed_ranges: NotRequired[Sequence[str]]
    """Networks that may connect to the public endpoint. All others are blocked. Ignored if `privateNetwork` is set."""
    open_for_runs: NotRequired[bool]
    """Whether each run adds its own address to the allowed ranges. Default: false."""
    private_network: NotRequired[str | None]
    """Private network of the instance's only endpoint; the instance then has no public endpoint."""
    node_type: NotRequired[pulumi.Input[str]]
    """Node type of the instance. Default: `DB-DEV-S`."""
    engine: NotRequired[pulumi.Input[str]]
    """Database engine and version. Default: `PostgreSQL-15`."""
    volume_size: NotRequired[pulumi.Input[int]]
    """Storage in GB. Default: 10."""
    backup_frequency: NotRequired[pulumi.Input[int]]
    """Hours between backups. Default: 24."""
    backup_retention: NotRequired[pulumi.Input[int]]
    """Days for which backups are kept. Default: 30."""
    project_id: NotRequired[pulumi.Input[str] | None]
    """Project of the instance. Default: the provider's project."""


class BackendInstance(Component):
    """The PostgreSQL instance used as an environment's backend.

    Children:

    - `<name>-instance`: a PostgreSQL instance, encrypted at rest, with backups
    - `<name>-acl`: the networks that may connect, unless the only endpoint is in a private network
    - `<name>-database`, `<name>-user`, `<name>-privilege`: a database and its non-administrator user
    - `<name>-reader`, `<name>-reader-privilege`: a read-only user, if `readerName` is set
    """

    url: pulumi.Output[str]
    """The value for `PULUMI_BACKEND_URL`, with the user's password; secret."""
    reader_url: pulumi.Output[str] | None
    """The same for the read-only user; None if there is no such user."""
    connection: pulumi.Output[dict[str, str]]
    """Connection parameters: `certificate`, the PEM certificate used to verify the server, and `openInstance`, the
    instance's id if runs add their address to its ACL."""

    _former_type = "snu:database:BackendDatabase"

    def __init__(self, name: str, args: BackendInstanceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children. Raises `pulumi.RunError` for a reader without a password."""
        reader_name, reader_password = args.get("reader_name"), args.get("reader_password")
        if reader_name is not None and reader_password is None:
            raise pulumi.RunError(f"{name}: the reader {reader_name} has no password")
        super().__init__(name, opts)
        child = pulumi.ResourceOptions(parent=self)
        network = args.get("private_network")
        instance = databases.Instance(
            f"{name}-instance",
            name=args["instance_name"],
            engine=args.get("engine", defaults.DATABASE_ENGINE),
            node_type=args.get("node_type", defaults.NODE_TYPE),
            volume_type="sbs_5k",
            volume_size_in_gb=args.get("volume_size", defaults.VOLUME_SIZE),
            encryption_at_rest=True,
            is_ha_cluster=False,
            disable_backup=False,
            backup_schedule_frequency=args.get("backup_frequency", defaults.BACKUP_FREQUENCY),
            backup_schedule_retention=args.get("backup_retention", defaults.BACKUP_RETENTION),
            user_name=args["administrator_name"],
            password=_secret(args["administrator_password"]),
            private_network=databases.InstancePrivateNetworkArgs(pn_id=network, enable_ipam=True) if network else None,
            project_id=args.get("project_id"),
            opts=child,
        )
        if network is None:
            databases.Acl(
                f"{name}-acl",
                instance_id=instance.id,
                acl_rules=[
                    databases.AclAclRuleArgs(ip=ip, description=f"May store the Pulumi state of {args['environment']}")
                    for ip in sorted(set(args.get("allowed_ranges", [])), key=_by_address)
                ],
                opts=child,
            )
        database = databases.Database(
            f"{name}-database", instance_id=instance.id, name=args["database_name"], opts=child
        )

        def add_user(
            resource: str, privilege: str, user_name: str, password: pulumi.Output[str], permission: str
        ) -> None:
            user = databases.User(
                resource, instance_id=instance.id, name=user_name, password=password, is_admin=False, opts=child
            )
            databases.Privilege(
                privilege,
                instance_id=instance.id,
                database_name=database.name,
                user_name=user.name,
                permission=permission,
                opts=child,
            )

        address = (instance.private_network if network else instance.load_balancer).apply(_address)
        user_password = _secret(args["user_password"])
        add_user(f"{name}-user", f"{name}-privilege", args["user_name"], user_password, "all")
        self.url = _url(address, args["user_name"], user_password, args["database_name"])
        self.reader_url = None
        if reader_name is not None and reader_password is not None:
            password = _secret(reader_password)
            add_user(f"{name}-reader", f"{name}-reader-privilege", reader_name, password, "readonly")
            self.reader_url = _url(address, reader_name, password, args["database_name"])
        connection: dict[str, pulumi.Input[str]] = {"certificate": instance.certificate}
        if args.get("open_for_runs", False):
            connection["openInstance"] = instance.id
        self.connection = pulumi.Output.all(**connection)
        self.register_outputs({"url": self.url, "readerUrl": self.reader_url, "connection": self.connection})


def _by_address(network: str) -> tuple[int, bytes, int]:
    """Sort key of a network; makes the ACL independent of the order of the ranges."""
    parsed = ipaddress.ip_network(network)
    return parsed.version, parsed.network_address.packed, parsed.prefixlen


def _secret(password: pulumi.Input[str]) -> pulumi.Output[str]:
    return secret(pulumi.Output.from_input(password))


def _address(endpoint: InstanceLoadBalancer | InstancePrivateNetwork | None) -> str:
    if endpoint is None:
        raise pulumi.RunError("the database instance lacks the endpoint that its arguments require")
    return f"{endpoint.ip}:{endpoint.port}"


def _url(address: pulumi.Output[str], user: str, password: pulumi.Output[str], database: str) -> pulumi.Output[str]:
    def url(address: str, password: str) -> str:
        return f"postgres://{user}:{quote(password, safe='')}@{address}/{database}?sslmode=verify-full"

    return secret(pulumi.Output.all(address, password).apply(lambda parts: url(*parts)))
