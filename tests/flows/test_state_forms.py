"""A state in each form that the Pulumi CLI writes, and each command that reads one: read alike, or refused by name."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.cli import complete_group
from ops.exit_codes import ExitCode
from pulumi_state.compression import GZIP, ZSTD, compress, decompress
from tests.lab.interruption import census
from tests.lab.lab import Lab, Run
from tests.support.environment import clean_environment
from tests.support.pulumi_cli import PASSPHRASE, needs_pulumi
from tests.support.stack_yaml import stack_yaml

pytestmark = pytest.mark.xdist_group("drift")  # one worker makes their lab

STACK, FOUNDATION = "local", "foundation-local"
PREVIEW = "br-new-11507a0e"
"""The environment of the branch ``new``."""
FORMS = {FOUNDATION: GZIP, STACK: ZSTD}
"""How each state is compressed."""
COMPRESSED = [f"{stack}.json{suffix}" for stack, suffix in FORMS.items()]
ENGINE = ("--engine", "embedded")
READING = {
    "doctor": (STACK,),
    "drift": (STACK, *ENGINE),
    "env list": (),
    "env sweep": (),
    "graph": (STACK, *ENGINE),
    "images clean": (STACK,),
    "outputs": (STACK, *ENGINE),
    "preview": (STACK, "--expect-no-changes", *ENGINE),
    "recover": (STACK, "--yes", *ENGINE),
    "state backup": (STACK,),
    "state history": (STACK,),
    "state show": (STACK,),
    "status": (),
}
"""Commands that leave a state as it is."""
WRITING = {
    "up": (STACK, "--yes", "--skip-preview", *ENGINE),
    "redeploy": (STACK, "admin", "--yes", *ENGINE),
    "refresh": (STACK, "--yes", *ENGINE),
    "destroy": (STACK, "--yes", *ENGINE),
    "state move": (STACK, "--to", "file://{elsewhere}", "--yes"),
}
"""Commands that write a state, in an order in which they can follow each other."""
REFUSING = {
    "adopt": (STACK, "--from", "{terraform}", "--yes", *ENGINE),
    "env up": ("--branch", "new", *ENGINE),
    "env down": ("--branch", "new", *ENGINE),
    "plan": (STACK, "--out", "{elsewhere}/plan", "--allow-dirty", *ENGINE),
    "state restore": (STACK, "{backup}", "--replace", "--yes"),
    "unprotect": (STACK, "admin", "--yes", *ENGINE),
}
"""Commands that read a state, and need more than a complete stack to succeed."""
NOT_READING = {
    *(
        "alerts",
        "apply",
        "bootstrap",
        "comment",
        "cost",
        "diff",
        "hotfix build",
        "hotfix check",
        "hotfix finish",
        "images build",
    ),
    *("local env", "local logs", "local reset", "local start", "local status", "local stop", "logs", "plan-keys"),
    *("keys list", "keys make", "keys revoke", "keys store"),
    *("rotate deploy-key", "rotate passphrase", "rotate plan-keys", "rotate state", "setup"),
    *("job list", "job run", "job runs", "job stop", "open", "state env"),
    *("plan-discard", "promote", "releases", "rollback", "touched", "unlock"),
    *("release check", "release finish", "release notes", "release publish", "release push"),
    *("secrets compare", "secrets edit", "secrets get", "secrets history", "secrets import", "secrets list"),
    *("secrets rollback", "secrets set", "secrets unset"),
}
"""Commands that read no state, or read it only after what is refused before."""


def commands(command: Any, name: str = "") -> Iterator[str]:
    for word, sub in getattr(command, "commands", {}).items():
        full = f"{name} {word}".strip()
        yield from commands(sub, full) if hasattr(sub, "commands") else [full]


def test_each_command_is_listed() -> None:
    listed = [*READING, *WRITING, *REFUSING, *NOT_READING]
    assert sorted(listed) == sorted(commands(complete_group()))


@dataclass(frozen=True)
class Site:
    """A lab that is in a Git repository and has preview environments."""

    lab: Lab

    @classmethod
    def of(cls, lab: Lab) -> Site:
        folder = lab.project.directory
        for file in folder.glob("Pulumi.*.yaml"):
            if file.name not in (f"Pulumi.{STACK}.yaml", f"Pulumi.{FOUNDATION}.yaml"):
                file.unlink()
        template = lab.project.config(STACK)
        template["snu:environment"] = {"name": "${name}", "foundation": FOUNDATION, "previewOf": STACK}
        del template["snu:crashAlerts"]
        for each in (each for each in template["snu:apps"].values() if "host" in each):
            each["host"] = each["host"].replace(".local.", "-${name}.local.")
        (folder / "Pulumi.preview.template.yaml").write_text(stack_yaml({"config": template}))
        lab.project.change(STACK, lambda config: config.update({"snu:previews": {"expireAfter": 24}}))
        if not (folder / ".git").exists():
            for words in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "a release"), ("tag", "v1")):
                identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
                subprocess.run(["git", *identity, *words], cwd=folder, env=clean_environment(), check=True)
        (folder / ".local/terraform").write_text(json.dumps({"version": 4, "resources": []}))
        saved = lab.project.snu("state", "backup", STACK, "--out", str(folder / ".local/backup"))
        assert saved.returncode == ExitCode.OK, saved.stderr
        return cls(lab)

    @property
    def pulumi(self) -> Path:
        return self.lab.state_file(STACK).parents[2]

    @property
    def states(self) -> list[str]:
        """Names of the files that are states, or are taken for such."""
        endings = (".json", f".json{GZIP}", f".json{ZSTD}")
        return sorted(path.name for path in self.lab.state_file(STACK).parent.iterdir() if path.name.endswith(endings))

    def compress(self) -> None:
        """Compress states and their histories as the CLI does."""
        for path in [*self.pulumi.rglob("*.json")]:
            suffix = next((FORMS[stack] for stack in FORMS if stack in (path.stem, path.parent.name)), "")
            if suffix:
                path.with_name(path.name + suffix).write_bytes(compress(path.read_bytes(), suffix))
                path.unlink()

    def run(self, command: str, words: tuple[str, ...]) -> Run:
        folder = self.lab.project.directory
        places = {name: folder / ".local" / name for name in ("elsewhere", "backup", "terraform")}
        return self.lab.project.snu(*command.split(), *(word.format_map(places) for word in words))


@pytest.fixture
def site(complete_lab: Lab) -> Iterator[Site]:
    yield Site.of(complete_lab)
    shutil.rmtree(complete_lab.project.directory / ".git")


def said(run: Run) -> tuple[int, str]:
    """What a command says, without times, sizes and ids."""
    return run.returncode, re.sub(r"[0-9a-f]*[0-9][0-9a-f]*", "#", run.stdout + run.stderr)


def test_a_compressed_state_is_read_and_stays_compressed(site: Site) -> None:
    expected = {command: said(site.run(command, words)) for command, words in READING.items()}
    site.compress()
    found = {command: said(site.run(command, words)) for command, words in READING.items()}
    assert found == expected
    assert [each for each in found.items() if each[1][0] != ExitCode.OK] == []
    for command, words in WRITING.items():
        assert site.states == COMPRESSED, f"before {command}"
        run = site.run(command, words)
        assert run.returncode == ExitCode.OK, run.stdout + run.stderr
    assert site.states == COMPRESSED[:1]
    moved = site.lab.project.directory / ".local/elsewhere/.pulumi/stacks/snu" / COMPRESSED[1]
    assert json.loads(decompress(moved.read_bytes()))["checkpoint"]["latest"].get("resources") is None


def twice(state: Path) -> None:
    state.with_name(f"{state.name}.gz").write_bytes(compress(state.read_bytes(), GZIP))


def damaged(state: Path) -> None:
    state.with_name(f"{state.name}.gz").write_bytes(compress(state.read_bytes(), GZIP)[:-10])
    state.unlink()


def newer(state: Path) -> None:
    state.write_text(json.dumps(json.loads(state.read_text()) | {"version": 4, "features": ["views"]}))


def former_layout(state: Path) -> None:
    state.rename(state.parents[1] / state.name)
    (state.parents[2] / "meta.yaml").unlink(missing_ok=True)


def later_layout(state: Path) -> None:
    state.unlink()
    (state.parents[2] / "meta.yaml").write_text("version: 2\n")


BROKEN: dict[Callable[[Path], None], str] = {
    twice: ".json.gz",
    damaged: ".json.gz in",
    newer: "version 4 with the features views",
    former_layout: "pulumi state upgrade",
    later_layout: "meta.yaml",
}
"""By what is done to a state: what is said then."""


def test_a_state_that_cannot_be_read_is_refused_by_name(site: Site) -> None:
    empty = {"version": 3, "checkpoint": {"stack": f"organization/snu/{PREVIEW}", "latest": {}}}
    site.lab.state_file(PREVIEW).write_text(json.dumps(empty))
    kept, living = site.lab.project.directory / ".local/kept", census(site.lab)
    shutil.copytree(site.pulumi, kept)
    wrong = []
    for break_, name in BROKEN.items():
        for stack in (STACK, PREVIEW):
            break_(site.lab.state_file(stack))
        before = contents(site.pulumi)
        for command, words in (READING | WRITING | REFUSING).items():
            run = site.run(command, words)
            output = run.stdout + run.stderr
            if run.returncode == ExitCode.OK or name not in output or "Traceback" in output:
                wrong.append(f"{command}, {break_.__name__}: {run.returncode} {output[:300]}")
            assert contents(site.pulumi) == before, f"{command}, {break_.__name__}: has written"
        shutil.rmtree(site.pulumi)
        shutil.copytree(kept, site.pulumi)
    assert not wrong, "\n".join(wrong)
    assert census(site.lab) == living


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@needs_pulumi
def test_the_cli_and_the_command_take_turns(site: Site) -> None:
    """Each keeps the form that the state has, also where the environment asks the CLI for another one."""
    folder = site.lab.project.directory
    home = {"PULUMI_HOME": str(folder / ".pulumi-home"), "PULUMI_BACKEND_URL": site.lab.project.backend_url}
    environ = home | {"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE}
    for stack, variable in ((FOUNDATION, "PULUMI_DIY_BACKEND_GZIP"), (STACK, "PULUMI_DIY_BACKEND_ZSTD")):
        file, variables = folder / ".local/exported", clean_environment(**environ, **{variable: "true"})
        for verb in ("export", "import"):
            words = ["pulumi", "stack", verb, "--stack", stack, "--file", str(file)]
            subprocess.run(words, cwd=folder, env=variables, check=True)
    assert site.states == COMPRESSED
    runs: list[tuple[str, ...]] = [
        ("preview", STACK, "--expect-no-changes", *ENGINE),
        ("up", STACK, "--yes", "--skip-preview", "--engine", "pulumi"),
        ("refresh", STACK, "--yes", *ENGINE),
    ]
    for options in runs:
        run = site.lab.project.snu(*options, **home, PULUMI_DIY_BACKEND_GZIP="true")
        assert run.returncode == ExitCode.OK, run.stdout + run.stderr
        assert site.states == COMPRESSED
    history = site.lab.project.snu("state", "history", STACK).stdout.splitlines()
    assert [line.split()[0] for line in history] == ["refresh", "update", "update"]
