"""Tests of the Pulumi program and its settings, without an engine."""

import warnings

with warnings.catch_warnings():  # the package warns of its own deprecated modules when it is imported
    warnings.simplefilter("ignore", DeprecationWarning)
    import pulumiverse_scaleway  # noqa: F401 - loaded before the tests
