"""What a stack's YAML may say: typed, validated, documented in `docs/reference/settings.md`.

Imports neither Pulumi nor the provider, so that it costs little to read a stack's settings.
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
from infra.settings.variables import MergedVariables, merge

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
]
