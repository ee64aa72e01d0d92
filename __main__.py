"""The Pulumi program: what a stack is made of stands in `infra`."""

from pathlib import Path

from infra.program import run

run(Path(__file__).resolve().parent)
