"""Marks outputs as secret."""

from typing import Any, TypeVar, cast

import pulumi

T = TypeVar("T")


def secret(value: pulumi.Output[T]) -> pulumi.Output[T]:
    """The same output, secret. `pulumi.Output.secret` itself, whose types refuse an output."""
    return cast(pulumi.Output[T], pulumi.Output.secret(cast(Any, value)))
