"""The secret document of an environment."""

from dataclasses import dataclass
from datetime import timedelta

import pulumi
from pulumiverse_scaleway import secrets

from infra.secret_output import secret
from scaleway_facts.behaviour import LONGEST_EPHEMERAL

_EPHEMERAL = secrets.SecretEphemeralPolicyArgs(action="disable", ttl=f"{LONGEST_EPHEMERAL // timedelta(hours=1)}h0m0s")


@dataclass(frozen=True, kw_only=True)
class EnvironmentSecretsArgs:
    """What `EnvironmentSecrets` are made from."""

    secret: str
    """Name of the secret."""
    project_id: pulumi.Input[str]
    """The project that it belongs to."""
    protected: bool
    """Whether Secret Manager itself refuses to delete it."""
    ephemeral: bool = False
    """Whether deleting it frees its name at once. Its versions live for a year at most then."""
    initial: pulumi.Output[str] | None = None
    """Text of the first version. Without it, people write the first version."""


class EnvironmentSecrets(pulumi.ComponentResource):
    """`snu:secrets:EnvironmentSecrets`, produces:

    - `<name>-secret`: the secret that holds the document
    - `<name>-initial`: its first version, where there is a text for it; what people write later stays
    """

    secret_id: pulumi.Output[str]
    """The id of the secret, once it has its first version if there is one to make."""

    def __init__(self, name: str, args: EnvironmentSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("snu:secrets:EnvironmentSecrets", name, None, opts)
        holder = secrets.Secret(
            f"{name}-secret",
            name=args.secret,
            description="The secret document: one JSON object, its keys are named in the stacks' settings",
            type="opaque",
            protected=args.protected,
            project_id=args.project_id,
            ephemeral_policies=[_EPHEMERAL] if args.ephemeral else None,
            # A secret is ephemeral from its creation or never.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["ephemeralPolicies"] if args.ephemeral else None),
        )
        self.secret_id = holder.id
        if args.initial is not None:
            version = secrets.Version(
                f"{name}-initial",
                secret_id=holder.id,
                data=secret(args.initial),
                description="Copied once",
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["data"]),
            )
            self.secret_id = version.secret_id
        self.register_outputs({"secretId": self.secret_id})
