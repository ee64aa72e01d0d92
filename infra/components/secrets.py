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
    """Arguments of `EnvironmentSecrets`."""

    secret: str
    """Name of the secret."""
    project_id: pulumi.Input[str]
    """Project of the secret."""
    protected: bool
    """Whether Secret Manager prevents the secret from being deleted."""
    ephemeral: bool = False
    """Whether the secret's name can be reused immediately after deletion. An ephemeral secret's versions expire after
    at most a year."""
    initial: pulumi.Output[str] | None = None
    """Content of the first version. If None, the first version must be written manually."""


class EnvironmentSecrets(pulumi.ComponentResource):
    """The secret document of an environment (`snu:secrets:EnvironmentSecrets`).

    Children:

    - `<name>-secret`: the secret with the document
    - `<name>-initial`: its first version, if `initial` is set; later versions are not managed
    """

    secret_id: pulumi.Output[str]
    """Id of the secret. If `initial` is set, resolves once the first version exists."""

    def __init__(self, name: str, args: EnvironmentSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers the component and its children."""
        super().__init__("snu:secrets:EnvironmentSecrets", name, None, opts)
        holder = secrets.Secret(
            f"{name}-secret",
            name=args.secret,
            description="The secret document: a JSON object with the keys that the stacks' settings refer to",
            type="opaque",
            protected=args.protected,
            project_id=args.project_id,
            ephemeral_policies=[_EPHEMERAL] if args.ephemeral else None,
            # A secret's ephemeral policy cannot be changed after creation.
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
