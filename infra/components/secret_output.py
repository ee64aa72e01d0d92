"""Marks outputs as secret."""

from typing import Any, TypeVar, cast

import pulumi

T = TypeVar("T")


def secret(value: pulumi.Output[T]) -> pulumi.Output[T]:
    """Mark an output as secret, like `pulumi.Output.secret`, whose type annotations do not accept outputs."""
    return cast(pulumi.Output[T], pulumi.Output.secret(cast(Any, value)))
