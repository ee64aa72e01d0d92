"""A secret that contains a document with an environment's configuration."""

from typing import NotRequired, TypedDict

import pulumi
from pulumiverse_scaleway import secrets

from .component import Component
from .secret_output import secret

_EPHEMERAL = secrets.SecretEphemeralPolicyArgs(action="disable", ttl="8760h0m0s")
"""A year, the longest time to live.

Source: the API's `invalid_arguments` for `ephemeral_policy.ttl` (Secret Manager v1beta1).
"""


class EnvironmentSecretsArgs(TypedDict):
    """Arguments of `EnvironmentSecrets`."""

    secret_name: pulumi.Input[str]
    """Name of the secret."""
    project_id: NotRequired[pulumi.Input[str] | None]
    """Project of the secret. Default: the provider's project."""
    protected: NotRequired[pulumi.Input[bool]]
    """Whether Secret Manager prevents the secret from being deleted. Default: false."""
    ephemeral: NotRequired[bool]
    """Whether the secret's name can be reused immediately after deletion. Versions of an ephemeral secret expire after
    at most a year. Default: false."""
    initial: NotRequired[pulumi.Input[str] | None]
    """Content of the first version. If unset, the first version must be written manually."""


class EnvironmentSecrets(Component):
    """The secret document of an environment: one JSON object.

    Children:

    - `<name>-secret`: the secret with the document
    - `<name>-initial`: its first version, if `initial` is set; later versions are not managed
    """

    secret_id: pulumi.Output[str]
    """Id of the secret. If `initial` is set, resolves once the first version exists."""

    _former_type = "snu:secrets:EnvironmentSecrets"

    def __init__(self, name: str, args: EnvironmentSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the component and its children."""
        super().__init__(name, opts)
        ephemeral = args.get("ephemeral", False)
        holder = secrets.Secret(
            f"{name}-secret",
            name=args["secret_name"],
            description="The secret document: a JSON object whose keys are named in the stacks' settings",
            type="opaque",
            protected=args.get("protected", False),
            project_id=args.get("project_id"),
            ephemeral_policies=[_EPHEMERAL] if ephemeral else None,
            # The ephemeral policy of a secret cannot be changed after its creation.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["ephemeralPolicies"] if ephemeral else None),
        )
        self.secret_id = holder.id
        initial = args.get("initial")
        if initial is not None:
            version = secrets.Version(
                f"{name}-initial",
                secret_id=holder.id,
                data=secret(pulumi.Output.from_input(initial)),
                description="Copied once",
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["data"]),
            )
            self.secret_id = version.secret_id
        self.register_outputs({"secretId": self.secret_id})


def is_written(secret_id: pulumi.Input[str]) -> pulumi.Output[bool]:
    """Whether a secret has an enabled version. Does not require access to its value."""
    metadata = secrets.get_secret_output(secret_id=secret_id)
    return metadata.apply(lambda metadata: any(version.status == "enabled" for version in metadata.versions))
