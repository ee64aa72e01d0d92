"""Who may deploy into a project, and who may read its secret documents."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumiverse_scaleway import iam

from infra import naming
from infra.components.access import About, grant, on_projects
from infra.secrecy import secret

READ_SECRETS = ("SecretManagerReadOnly", "SecretManagerSecretAccess")
DEPLOY = (
    "ContainersFullAccess",
    "ContainerRegistryFullAccess",
    "DomainsDNSFullAccess",
    *READ_SECRETS,
    "ObservabilityReadOnly",
    "ServerlessJobsFullAccess",
)
ORGANIZATION = ("ProjectReadOnly", "IAMReadOnly")
READ_REGISTRY = ("ContainerRegistryReadOnly",)
WRITE_SECRETS = ("SecretManagerFullAccess",)
"""Previews have secrets of their own, which their stacks make and delete."""
OPEN_DATABASES = ("RelationalDatabasesFullAccess",)
"""Scaleway has no narrower permission set that may change an instance's ACL."""


@dataclass(frozen=True, kw_only=True)
class DeployAccessArgs:
    """What a `DeployAccess` is made from."""

    project: str
    """The project's name without `snu-`."""
    project_id: pulumi.Input[str]
    """The project that it opens."""
    organization_id: str
    """The organization of the project."""
    read_registries_of: Sequence[str] = ()
    """Ids of other projects whose images may be copied."""
    may_write_secrets: bool = False
    """Whether environments of the project make secrets of their own."""
    may_open_databases: bool = False
    """Whether runs add their own address to the ACL of a backend database."""
    keys_expire_at: str | None = None
    """When its API keys expire, in RFC 3339; never if not given."""


class DeployAccess(pulumi.ComponentResource):
    """`snu:iam:DeployAccess`, produces:

    - `<name>-application`, `<name>-policy`, `<name>-key`: deploys the project's environments
    - `<name>-reader-application`, `<name>-reader-policy`, `<name>-reader-key`: reads its secret documents
    """

    access_key: pulumi.Output[str]
    """Id of the key that deploys."""
    secret_key: pulumi.Output[str]
    """The key that deploys: secret."""
    reader_access_key: pulumi.Output[str]
    """Id of the key that reads secret documents."""
    reader_secret_key: pulumi.Output[str]
    """The key that reads secret documents: secret."""

    def __init__(self, name: str, args: DeployAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("snu:iam:DeployAccess", name, None, opts)
        self._keys_expire_at = args.keys_expire_at
        own_project = [
            *DEPLOY,
            *(WRITE_SECRETS if args.may_write_secrets else ()),
            *(OPEN_DATABASES if args.may_open_databases else ()),
        ]
        deploy = self._key(
            name,
            naming.deploy_application(args.project),
            f"deploys the environments of {args.project}",
            args.project_id,
            [
                on_projects([args.project_id], own_project),
                iam.PolicyRuleArgs(organization_id=args.organization_id, permission_set_names=list(ORGANIZATION)),
                *([on_projects(args.read_registries_of, READ_REGISTRY)] if args.read_registries_of else []),
            ],
        )
        reader = self._key(
            f"{name}-reader",
            naming.secret_reader_application(args.project),
            f"reads the secret documents of {args.project}",
            args.project_id,
            [on_projects([args.project_id], READ_SECRETS)],
        )
        self.access_key = deploy.access_key
        self.secret_key = secret(deploy.secret_key)
        self.reader_access_key = reader.access_key
        self.reader_secret_key = secret(reader.secret_key)
        self.register_outputs(
            {
                "accessKey": self.access_key,
                "secretKey": self.secret_key,
                "readerAccessKey": self.reader_access_key,
                "readerSecretKey": self.reader_secret_key,
            }
        )

    def _key(
        self,
        name: str,
        application_name: str,
        purpose: str,
        project_id: pulumi.Input[str],
        rules: Sequence[iam.PolicyRuleArgs],
    ) -> iam.ApiKey:
        """An application with a policy and a key."""
        parts = ("Application", "Policy of the application", "Key of the application")
        about = About(*(f"{part} that {purpose}" for part in parts))
        child = pulumi.ResourceOptions(parent=self)
        return grant(name, application_name, about, project_id, rules, child, self._keys_expire_at).key
