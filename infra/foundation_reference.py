"""Reads the outputs of an environment's foundation, which is another stack."""

from collections.abc import Mapping
from typing import Any

import pulumi


class FoundationReference:
    """A foundation's outputs for one of its environments.

    Unlike Pulumi's own `require_output`, reports a missing output as a `pulumi.RunError` that explains what to do.
    """

    def __init__(self, stack: str, environment: str) -> None:
        """`stack` is the foundation stack's name, without organization and project."""
        self._stack = stack
        self._environment = environment
        self._reference = pulumi.StackReference(stack)

    @property
    def project_id(self) -> pulumi.Output[str]:
        """Id of the Scaleway project."""
        return self._require("projectId")

    @property
    def registry_endpoint(self) -> pulumi.Output[str]:
        """Registry and namespace of the environment's images."""
        return self._require("registryEndpoints").apply(self._of_environment)

    @property
    def secret_id(self) -> pulumi.Output[str]:
        """Id of the environment's secret document."""
        return self._plain("secretIds")

    @property
    def preview_namespace_id(self) -> pulumi.Output[str]:
        """Id of the container namespace that preview environments share."""
        return self._require("previewNamespaceId")

    @property
    def alerts_secret_id(self) -> pulumi.Output[str]:
        """Id of the secret with the credentials for the environment's crash alerts."""
        return self._plain("alertsSecretIds")

    @property
    def release_secret_id(self) -> pulumi.Output[str]:
        """Id of the secret with the key that starts release commands; fails with `pulumi.RunError` if there is none."""

        async def read() -> str:
            details = await self._reference.get_output_details("releaseSecretIds")
            secret_ids = details.value or {}
            if self._environment not in secret_ids:
                raise pulumi.RunError(
                    f"the stack {self._stack} has no key for release commands: set snu:environments."
                    f"{self._environment}.releaseCommands to true in Pulumi.{self._stack}.yaml, and run `scripts/snu "
                    f"up {self._stack}` and `scripts/snu keys store {self._stack}`"
                )
            return str(secret_ids[self._environment])

        return pulumi.Output.from_input(read())

    def zone(self, expected: str) -> pulumi.Output[str]:
        """The foundation's DNS zone; fails with `pulumi.RunError` if it differs from `expected`."""

        def check(zone: str) -> str:
            if zone != expected:
                raise pulumi.RunError(f"snu:zone: found `{expected}`; allowed: `{zone}`, the zone of {self._stack}")
            return zone

        return self._require("zone").apply(check)

    def _plain(self, output: str) -> pulumi.Output[str]:
        """The environment's entry in an output, without a dependency on the stack reference.

        With that dependency, values looked up by this id would be unknown in previews with older engines.
        """

        async def read() -> str:
            details = await self._reference.get_output_details(output)
            return self._of_environment(self._present(output, details.value))

        return pulumi.Output.from_input(read())

    def _require(self, output: str) -> pulumi.Output[Any]:
        return self._reference.get_output(output).apply(lambda value: self._present(output, value))

    def _present(self, output: str, value: Any) -> Any:
        if value is None:
            raise pulumi.RunError(f"the stack {self._stack} has no output `{output}`: update that stack first")
        return value

    def _of_environment(self, values: Mapping[str, Any]) -> str:
        if self._environment not in values:
            raise pulumi.RunError(
                f"the stack {self._stack} has no environment `{self._environment}`; available: {', '.join(values)}"
            )
        return str(values[self._environment])
