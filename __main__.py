"""The Pulumi program: what a stack is made of stands in `infra`."""

from infra.program import run

run()
