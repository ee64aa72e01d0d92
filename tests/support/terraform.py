"""Terraform with the official provider, both as they stand on PATH, without a registry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.environment import clean_environment
from tests.support.programs import needs

PROGRAMS = ("terraform", "terraform-provider-scaleway")
SOURCE = "scaleway/scaleway"

needs_terraform = needs(*PROGRAMS)
"""Marks tests that need Terraform and the real provider."""


class Terraform:
    """A folder with a configuration, and its state."""

    def __init__(self, folder: Path, document: Mapping[str, Any]) -> None:
        """Terraform takes the provider from where it stands on PATH, without a registry."""
        folder.mkdir(parents=True)
        self._folder = folder
        (folder / "main.tf.json").write_text(json.dumps(document, indent=2))
        provider = shutil.which(PROGRAMS[1])
        assert provider is not None
        settings = folder / "terraform.rc"
        settings.write_text(
            f'provider_installation {{\n  dev_overrides {{ "{SOURCE}" = {json.dumps(str(Path(provider).parent))} }}\n'
            f'  direct {{ exclude = ["{SOURCE}"] }}\n}}\n'
        )
        self._environment = clean_environment(
            TF_CLI_CONFIG_FILE=str(settings),
            TF_IN_AUTOMATION="1",
            CHECKPOINT_DISABLE="1",
            SCW_CONFIG_PATH=os.devnull,
        )

    @property
    def state(self) -> Path:
        """The file that it keeps its state in."""
        return self._folder / "terraform.tfstate"

    def reset(self) -> None:
        for path in self._folder.glob("terraform.tfstate*"):
            path.unlink()

    def up(self) -> None:
        self._run("apply", "-auto-approve", "-input=false")

    def preview(self) -> bool:
        """Whether there is a change."""
        return self._run("plan", "-input=false", "-detailed-exitcode", allowed=(0, 2)) == 2

    def _run(self, *arguments: str, allowed: tuple[int, ...] = (0,)) -> int:
        ended = subprocess.run(
            ["terraform", *arguments, "-no-color"],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if ended.returncode not in allowed:
            raise SystemExit(f"terraform {arguments[0]} failed:\n{ended.stdout}{ended.stderr}")
        return ended.returncode
