"""The settings of a stack file: typed, validated and documented in `docs/reference/settings.md`.

Imports neither Pulumi nor the provider, so loading a stack's settings is fast.
"""

from infra.settings.models import (
    App,
    AppUrl,
    BucketBackend,
    EnvironmentSettings,
    FoundationSettings,
    Image,
    InstanceBackend,
    Job,
    Probe,
    ServerlessBackend,
)
from infra.settings.problems import Problem, SettingsError
from infra.settings.reading import flat_config, load, load_file
from infra.settings.variables import MergedVariables, merge, variables_by_consumer

__all__ = [
    "App",
    "AppUrl",
    "BucketBackend",
    "EnvironmentSettings",
    "FoundationSettings",
    "Image",
    "InstanceBackend",
    "Job",
    "MergedVariables",
    "Probe",
    "Problem",
    "ServerlessBackend",
    "SettingsError",
    "flat_config",
    "load",
    "load_file",
    "merge",
    "variables_by_consumer",
]
