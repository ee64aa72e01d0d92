"""The permission sets for each purpose. Imports no Pulumi, so that `snu doctor` can compare them with live policies."""

READ_OBJECTS = ("ObjectStorageBucketsRead", "ObjectStorageObjectsRead")
"""Applies to buckets without a bucket policy, such as the crash alerts buckets. State buckets have a policy."""
WRITE_OBJECTS = (
    "ObjectStorageBucketsRead",
    "ObjectStorageObjectsDelete",
    "ObjectStorageObjectsRead",
    "ObjectStorageObjectsWrite",
)
DEPLOY = (
    "ContainersFullAccess",
    "ContainerRegistryFullAccess",
    "DomainsDNSFullAccess",
    "SecretManagerReadOnly",
    "ObservabilityReadOnly",
    "ServerlessJobsFullAccess",
    *READ_OBJECTS,
)
PREVIEW = (
    "ContainersReadOnly",
    "ContainerRegistryReadOnly",
    "DomainsDNSReadOnly",
    "SecretManagerReadOnly",
    "ObservabilityReadOnly",
    "ServerlessJobsReadOnly",
    *READ_OBJECTS,
)
PREVIEW_FOUNDATION = (*PREVIEW, "RelationalDatabasesReadOnly", "ServerlessSQLDatabaseReadOnly")
READ_SECRET_NAMES = ("SecretManagerReadOnly",)
ORGANIZATION = ("ProjectReadOnly", "IAMReadOnly")
READ_REGISTRY = ("ContainerRegistryReadOnly",)
WRITE_SECRETS = ("SecretManagerFullAccess",)
"""Required because stacks of preview environments create and delete secrets."""
RUN_JOBS = ("ServerlessJobsFullAccess",)
"""Scaleway's narrowest permission set that can start jobs."""
OPEN_DATABASES = ("RelationalDatabasesFullAccess",)
"""Scaleway's narrowest permission set that can change an instance's ACL."""
