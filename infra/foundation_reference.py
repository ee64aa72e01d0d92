"""What an environment takes from its foundation: another stack's outputs."""

from typing import Any

import pulumi


class FoundationReference:
    """The outputs of a foundation, for one of its environments. A missing one is an error that names it."""

    def __init__(self, stack: str, environment: str) -> None:
        """`stack` is the bare name of the foundation's stack."""
        self._stack = stack
        self._environment = environment
        self._reference = pulumi.StackReference(stack)

    @property
    def project_id(self) -> pulumi.Output[str]:
        """The Scaleway project."""
        return self._reference.require_output("projectId")

    @property
    def registry_endpoint(self) -> pulumi.Output[str]:
        """What the environment's images' references start with."""
        return self._of_environment("registryEndpoints")

    @property
    def secret_id(self) -> pulumi.Output[str]:
        """The secret that holds the environment's document."""
        return self._of_environment("secretIds")

    @property
    def preview_namespace_id(self) -> pulumi.Output[str]:
        """The container namespace that previews share."""
        return self._reference.require_output("previewNamespaceId")

    def zone(self, expected: str) -> pulumi.Output[str]:
        """The foundation's DNS zone; refuses another one than the environment's settings name."""

        def check(zone: str) -> str:
            if zone != expected:
                raise pulumi.RunError(
                    f"snu:zone: found `{expected}`; allowed: `{zone}`, the zone of {self._stack}"
                )
            return zone

        return self._reference.require_output("zone").apply(check)

    def _of_environment(self, output: str) -> pulumi.Output[str]:
        def pick(values: dict[str, Any]) -> str:
            if self._environment not in values:
                raise pulumi.RunError(
                    f"{self._stack} has no environment `{self._environment}`, it has: {', '.join(values)}"
                )
            return str(values[self._environment])

        return self._reference.require_output(output).apply(pick)
