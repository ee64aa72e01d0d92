"""``snu diff``: the effect of a change on every stack, on revisions of a copy of the project."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.exit_codes import ExitCode
from ops.program.evaluate import Evaluator
from ops.program.placeholders import fill_template
from tests.lab.repository import Repository, make_repository
from tests.support.environment import ROOT
from tests.support.forks import REAL_PYTHON
from tests.support.processes import is_running, wait_until_ended
from tests.support.stack_yaml import stack_yaml

STACKS = {
    "ci",
    "dev",
    "foundation-ci",
    "foundation-local",
    "foundation-production",
    "foundation-stage",
    "local",
    "preview (template)",
    "production",
    "stage",
}
SECRETS = {
    "SCW_SECRET_KEY": "s3cret",
    "AWS_ACCESS_KEY_ID": "s3cret",
    "PULUMI_CONFIG_PASSPHRASE": "s3cret",
    "GITHUB_TOKEN": "s3cret",
    "SOME_PASSWORD": "s3cret",
    "HARMLESS": "s3cret",
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "project")


def diff(repository: Repository, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ended = repository.project.snu("diff", *arguments, **environment)
    assert "Traceback" not in ended.stdout + ended.stderr, ended.stdout + ended.stderr
    return ended


def document(repository: Repository, *arguments: str, code: int = ExitCode.OK, **environment: str) -> dict[str, Any]:
    ended = diff(repository, *arguments, "--json", **environment)
    assert ended.returncode == code, ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def touched(repository: Repository, *arguments: str) -> str:
    ended = repository.project.snu("touched", *arguments)
    assert ended.returncode == ExitCode.OK, ended.stdout + ended.stderr
    return ended.stdout


def steps(stack: dict[str, Any]) -> dict[str, str]:
    """The operation of each changed resource."""
    return {step["name"]: step["op"] for step in stack["steps"]}


def changes(stack: dict[str, Any], name: str) -> dict[str, tuple[Any, Any]]:
    """The changed properties of a resource, with old and new values."""
    (step,) = [step for step in stack["steps"] if step["name"] == name]
    return {change["path"]: (change.get("old"), change.get("new")) for change in step["changes"]}


def _rename_key(app: dict[str, Any]) -> None:
    """Read a secret variable from another key of the document."""
    variable = "VITE_USERBACK_ACCESS_TOKEN"
    others = [entry for entry in app["secretVariables"] if variable not in entry]
    app["secretVariables"] = [*others, {variable: "OTHER_TOKEN"}]


def test_changes_of_settings(repository: Repository) -> None:
    digest = "sha256:" + "1" * 64
    repository.project.change("stage", lambda config: config["snu:images"]["admin"].update(version="v2", digest=digest))
    ci = repository.project.stack_file("ci")
    eighth = "    eighth:\n      image: app\n      cpu: 70\n      memory: 128\n"
    ci.write_text(ci.read_text().replace("  snu:apps:\n", f"  snu:apps:\n{eighth}"))
    repository.edit("Pulumi.production.yaml", "host: admin.snu.gouv.fr", "host: console.snu.gouv.fr")
    repository.project.change("local", lambda config: _rename_key(config["snu:apps"]["admin"]))
    repository.edit("Pulumi.foundation-ci.yaml", "snu:protect: true", "snu:protect: false")
    repository.edit("Pulumi.foundation-local.yaml", "scaleway:zone: fr-par-1", "scaleway:zone: fr-par-2")
    repository.project.change("preview.template", lambda config: config["snu:apps"]["api"].update(cpu=768))
    head = repository.commit("settings")

    found = document(repository, f"base..{head[:10]}")
    assert found["head"] == {"name": head[:10], "commit": head}
    stacks = found["stacks"]
    assert stacks.keys() == STACKS
    assert {name for name, stack in stacks.items() if not stack["effect"]} == {
        "dev",
        "foundation-production",
        "foundation-stage",
    }

    image = "<endpoint of staging-registry-namespace>/admin@sha256:"
    assert changes(stacks["stage"], "admin-container") == {"image": (f"{image}{'0' * 64}", f"{image}{'1' * 64}")}
    assert steps(stacks["ci"]) == {"eighth": "create", "eighth-container": "create"}
    assert steps(stacks["production"])["admin-domain"] == "replace"
    assert changes(stacks["production"], "admin-domain") == {"hostname": ("admin.snu.gouv.fr", "console.snu.gouv.fr")}
    assert changes(stacks["production"], "api-container") == {
        "environmentVariables.ADMIN_URL": ("https://admin.snu.gouv.fr", "https://console.snu.gouv.fr")
    }
    assert changes(stacks["local"], "admin-container") == {
        "secretEnvironmentVariables.VITE_USERBACK_ACCESS_TOKEN": (
            "[secret: key USERBACK_ACCESS_TOKEN]",
            "[secret: key OTHER_TOKEN]",
        )
    }
    foundation = stacks["foundation-ci"]
    assert changes(foundation, "project") == {"protect": (True, False)}
    assert changes(foundation, "ci-secrets-secret") == {"protect": (True, False), "protected": (True, False)}
    assert changes(stacks["foundation-local"], "provider") == {"zone": ("fr-par-1", "fr-par-2")}
    assert changes(stacks["preview (template)"], "api-container") == {"cpuLimit": (1024, 768)}

    to_preview = ["ci", "foundation-ci", "foundation-local", "production", "stage"]
    assert json.loads(touched(repository, f"base..{head}", "--json", "--exclude", "local")) == to_preview
    assert touched(repository, f"{head}..{head}") == ""

    text = diff(repository, f"base..{head}", "--stack", "production", "--stack", "preview", "--markdown", "-").stdout
    assert text.startswith(f"### `base ({found['base']['commit'][:8]})` to `{head[:8]}`: 2 stacks changed\n")
    assert "- `admin-domain` · `scaleway:containers:Domain`, because of `hostname`\n" in text
    assert "\nCost: -6.73 € a month idle, -6.73 € at full scale, at Scaleway's prices as of " in text
    production = text[text.index("#### Stack `production`") :]
    assert production.index("**To replace: 1**") < production.index("**To update")


def test_changes_of_the_program(repository: Repository) -> None:
    repository.edit("infra/components/containers.py", "_RECORD_TTL = 3600", "_RECORD_TTL = 1800")
    repository.edit(
        "infra/naming.py",
        'return f"snu-{environment}"\n\n\ndef container(',
        'return f"new-{environment}"\n\n\ndef container(',
    )
    (repository.project.directory / "pyproject.toml").write_text("# other packages\n")
    ended = diff(repository, "base", "--expect-no-changes")
    assert ended.returncode == ExitCode.CHANGES
    assert "note: pyproject.toml differs" in ended.stdout
    assert "→ working tree" in ended.stdout
    assert "~ ttl: 3600 → 1800" in ended.stdout
    # The id of a resource that is created again is new as well, and replaces in its turn.
    assert "+- namespace  scaleway:containers:Namespace  replace  because of name" in ended.stdout
    assert '~ namespaceId: "<id of namespace>" → "<new id of namespace>"  (replaces the resource)' in ended.stdout
    assert ended.stdout.rstrip().endswith(
        "No effect: foundation-ci, foundation-local, foundation-production, foundation-stage"
    )


def test_other_dependencies_touch_every_stack(repository: Repository) -> None:
    (repository.project.directory / "requirements.txt").write_text("pulumi==0\n")
    assert touched(repository, "base").split() == sorted(STACKS - {"preview (template)"})


def test_a_revision_runs_with_its_own_reader_and_reads_dates_as_flaws(repository: Repository) -> None:
    """The program imports the modules of its own revision, whatever their names."""
    for name in ("pulumi_state/stack_file.py", "infra/settings/reading.py"):
        path = repository.project.directory / name
        path.write_text(path.read_text().replace("as_text", "text_for_programs"))
    head = repository.commit("another name")
    found = document(repository, f"base..{head}")["stacks"]
    assert set(found) == STACKS
    assert all(stack["steps"] == [] for stack in found.values())
    repository.edit("Pulumi.ci.yaml", "FOLDER_API: api", "FOLDER_API: 2026-11-26")
    found = document(repository, head, code=ExitCode.SETTINGS)["stacks"]
    assert "FOLDER_API: found `2026-11-26` without quotes" in found["ci"]["refused"]["head"]
    assert found["stage"]["steps"] == []


def test_invalid_stacks_are_a_result(repository: Repository) -> None:
    repository.edit("Pulumi.stage.yaml", "host: admin.beta-snu.dev", "host: admin.beta-snu.dev\n      colour: red")
    repository.project.stack_file("foundation-local").write_text("config: [")
    repository.project.stack_file("production").unlink()
    another = yaml.safe_load(repository.project.stack_file("foundation-production").read_text())
    another["config"]["snu:environments"]["production"]["database"] = {
        "kind": "instance",
        "allowedRanges": ["203.0.113.7/32"],
    }
    passwords = {"administrator": {"secure": "AAAA"}, "user": {"secure": "BBBB"}}
    another["config"]["snu:databasePasswords"] = {"production": passwords}
    repository.project.stack_file("extra").write_text(stack_yaml(another))
    middle = repository.commit("broken")
    found = document(repository, f"base..{middle}", code=ExitCode.SETTINGS)["stacks"]
    assert "snu:apps.admin.colour: found an unknown key" in found["stage"]["refused"]["head"]
    assert found["foundation-local"]["refused"]["head"].startswith(
        "Pulumi.foundation-local.yaml:2: found invalid YAML "
    )
    assert found["local"]["refused"] == {
        "head": "it references the stack foundation-local, which failed to evaluate or has no file"
    }
    assert set(steps(found["production"]).values()) == {"delete"}
    assert set(steps(found["extra"]).values()) == {"create"}
    assert steps(found["production"])["snu-production"] == "delete"
    assert not found["ci"]["effect"]

    text = diff(repository, f"base..{middle}", "--stack", "stage").stdout
    assert f"The stack stage is invalid at {middle[:8]}:\n  1 problem in Pulumi.stage.yaml:\n" in text

    extra = repository.project.directory / "Pulumi.extra.yaml"
    extra.write_text(extra.read_text().replace("AAAA", "CCCC"))
    repository.edit("Pulumi.stage.yaml", "\n      colour: red", "")
    mended = diff(repository, f"{middle}..", "--markdown", str(repository.project.directory / ".local.md"))
    assert mended.returncode == ExitCode.SETTINGS, "foundation-local is refused still"
    repository.commit("fixed")
    again = document(repository, f"{middle}..HEAD", code=ExitCode.SETTINGS)["stacks"]
    assert again["stage"]["refused"].keys() == {"base"}
    assert again["stage"]["effect"]
    assert not again["foundation-local"]["effect"], "refused at both, so it is not this change"
    (change,) = changes(again["extra"], "production-state-instance").values()
    assert all(re.fullmatch(r"\[secret: encrypted value [0-9a-f]{8}\]", text) for text in change)
    assert change[0] != change[1]


def test_a_program_that_fails_says_where_and_sees_no_secret(repository: Repository) -> None:
    main = repository.project.directory / "__main__.py"
    main.write_text(
        "import os\n"
        "from contextlib import suppress\n"
        "from pathlib import Path\n"
        "def environments():\n"
        "    for path in Path('/proc').glob('[0-9]*/environ'):\n"
        "        with suppress(OSError):\n"
        "            yield path.read_bytes()\n"
        "def fail():\n"
        "    raise ValueError(f'{sorted(os.environ)} {any(b\"s3cret\" in each for each in environments())}')\n"
        "print('noise on standard output')\n"
        "fail()\n"
    )
    found = document(repository, "base", code=ExitCode.SETTINGS, **SECRETS, HOME="/home/s3cret")["stacks"]
    assert found.keys() == STACKS
    text = found["ci"]["refused"]["head"]
    assert text.startswith("ValueError: ['")
    assert text.endswith("False (__main__.py, line 9)")
    assert not any(name in text for name in SECRETS)
    assert {stack["refused"]["head"] for stack in found.values()} == {text}
    assert json.dumps(found).count("s3cret") == 0

    main.write_text("import os\nos._exit(3)\n")
    gone = document(repository, "base", "--stack", "ci", code=ExitCode.SETTINGS)["stacks"]["ci"]["refused"]["head"]
    assert gone == "its evaluation failed: no error message"

    main.write_text("import urllib.request\nurllib.request.urlopen('http://192.0.2.1/')\n")
    asked = document(repository, "base", "--stack", "ci", code=ExitCode.SETTINGS)["stacks"]["ci"]["refused"]["head"]
    assert "the program connects to ('192.0.2.1', 80), but `scripts/snu diff` allows no network access" in asked

    main.write_text("while True:\n    pass\n")
    late = diff(repository, "base", "--timeout", "4")
    assert late.returncode == ExitCode.SETTINGS
    assert "the program did not finish within 4 seconds" in late.stdout


def test_what_a_program_has_started_ends_with_the_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", REAL_PYTHON)
    (tmp_path / "Pulumi.yaml").write_text("name: snu\nruntime: python\n")
    (tmp_path / "Pulumi.one.yaml").write_text("config: {}\n")
    start = "subprocess.Popen(['sleep', '600'], start_new_session=True)"
    (tmp_path / "__main__.py").write_text(f"import os, subprocess\nprint({start}.pid, flush=True)\nos._exit(3)\n")
    with Evaluator() as evaluator:
        ((found,),) = (each.values() for each in evaluator.evaluate([lambda _: tmp_path], 60.0))
        process = int((found.refused or "").removeprefix("its evaluation failed: "))
        assert is_running(process)
    wait_until_ended(process)


def test_documents_only_and_files_that_git_ignores(repository: Repository) -> None:
    (repository.project.directory / "docs").mkdir()
    (repository.project.directory / "docs/new.md").write_text("text")
    ignored = repository.project.stack_file("pr-7")
    ignored.write_text(fill_template((ROOT / "Pulumi.preview.template.yaml").read_text()))
    index = (repository.project.directory / ".git/index").read_bytes()
    markdown = repository.project.directory / ".local" / "diff.md"
    markdown.parent.mkdir()
    ended = diff(repository, "base", "--expect-no-changes", "--markdown", str(markdown))
    assert ended.returncode == ExitCode.OK
    assert ended.stdout.splitlines()[1:] == [f"No effect: {', '.join(sorted(STACKS))}"]
    assert markdown.read_text().splitlines()[0].endswith(": 10 stacks unchanged")
    assert (repository.project.directory / ".git/index").read_bytes() == index
    assert not list(repository.project.directory.rglob("__pycache__"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nope..base"], "no revision 'nope'"),
        (["base..nope"], "no revision 'nope'"),
        (["base..base", "--stack", "nope"], "Neither revision has a stack nope. Stacks: ci, dev, foundation-ci"),
        (["base", "--json", "--markdown", "-"], "one of them"),
    ],
)
def test_errors_that_the_user_can_fix(repository: Repository, arguments: list[str], says: str) -> None:
    ended = diff(repository, *arguments)
    assert ended.returncode == ExitCode.USAGE
    assert says in ended.stderr


def test_a_folder_without_a_repository(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    from ops.diff.revisions import find_revisions
    from ops.errors import OpsError

    with pytest.raises(OpsError, match="is not in a Git repository"):
        find_revisions(tmp_path, "HEAD")


def test_a_clean_working_tree_has_the_same_files(repository: Repository) -> None:
    from ops.diff.revisions import find_revisions

    folder = repository.project.directory
    assert find_revisions(folder, "main").same
    (folder / "ignored.plan").touch()
    assert find_revisions(folder, "main").same
    (folder / "new").touch()
    assert not find_revisions(folder, "main").same
    repository.commit("on main")
    assert find_revisions(folder, "main").same
    assert not find_revisions(folder, "base").same


def test_the_same_files_are_evaluated_once(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    from ops.commands.diff import at_both
    from ops.diff.revisions import Revisions, RevisionSide, find_revisions

    written: list[str] = []
    write = Revisions.write

    def counted(self: Revisions, side: RevisionSide, folder: Path) -> Path:
        written.append(side.name)
        return write(self, side, folder)

    monkeypatch.setattr(Revisions, "write", counted)
    with Evaluator() as evaluator:
        base, head = at_both(evaluator, find_revisions(repository.project.directory, "base..main"), 60)
    assert set(base) == set(head) >= {"ci", "local", "stage"}
    assert written == ["main"]


def test_three_dots_compare_with_the_merge_base(repository: Repository) -> None:
    from ops.diff.revisions import find_revisions

    base = find_revisions(repository.project.directory, "base").base.commit
    head = repository.commit("on main")
    os.utime(repository.project.directory)
    found = find_revisions(repository.project.directory, f"{head}...base")
    assert (found.base.commit, found.head.commit) == (base, base)
    assert found.same
