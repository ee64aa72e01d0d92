"""The secret document through the command: what a user does, who may, and two people at the same time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ops.exit_codes import ExitCode
from tests.lab.keys import deploy_key, make_key, use
from tests.lab.lab import Lab, Run
from tests.support.environment import clean_environment
from tests.support.forks import forked_for
from tests.support.seed import ORGANIZATION

STACK, NAME, VALUE = "local", "snu-local", "s3cret-value"
CREATION = {"method": "POST", "resource": "secret_version", "path": "*/versions"}


def start(lab: Lab, *words: str, **environment: str) -> subprocess.Popen[str]:
    directory = lab.project.directory
    return subprocess.Popen(
        [sys.executable, "-m", "ops", "secrets", *words, "-C", str(directory)],
        cwd=directory,
        env=clean_environment(**environment),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(lab: Lab, *words: str, typed: str = "", expect: ExitCode = ExitCode.OK, **environment: str) -> Run:
    process = start(lab, *words, **environment)
    out, err = process.communicate(typed, 120)
    assert process.returncode == expect, out + err
    assert VALUE not in err
    assert VALUE not in out or words[0] == "get"
    return Run([], process.returncode, out, err)


def document(lab: Lab) -> dict[str, str]:
    found: dict[str, str] = json.loads(lab.read_secret(secret_id(lab)))
    return found


def secret_id(lab: Lab) -> str:
    """Of the foundation's secret, not of the one that it was copied from."""
    (found,) = [
        each
        for each in lab.resources("secret_manager.secret")
        if each["name"] == NAME and each["project_id"] != ORGANIZATION
    ]
    return str(found["id"])


def keys(lab: Lab) -> dict[str, dict[str, Any]]:
    listed = json.loads(run(lab, "list", STACK, "--json").stdout)
    assert listed["schema"] == "snu.secrets-list/1"
    return {each["key"]: each for each in listed["keys"]}


def test_a_key_is_added_changed_removed_and_brought_back(lab: Lab, tmp_path: Path) -> None:
    first = document(lab)
    said = run(lab, "set", STACK, "MONGO_URL", "--yes", typed=f"{VALUE}\n")
    assert "  ~ MONGO_URL\nWrote revision 2 of snu-local.\n" in said.stdout
    assert run(lab, "get", STACK, "MONGO_URL").stdout == VALUE
    assert document(lab) == {**first, "MONGO_URL": VALUE}

    (tmp_path / ".env").write_text(f'NEW="{VALUE}"\nSECRET={VALUE}\n')
    imported = run(lab, "import", STACK, str(tmp_path / ".env"), "--yes")
    assert "  + NEW\n  ~ SECRET\nWrote revision 3" in imported.stdout
    assert "No app or job of local uses NEW." in imported.stderr
    listed = keys(lab)
    assert (listed["NEW"]["usedBy"], listed["NEW"]["revision"]) == ([], 3)
    assert listed["SENTRY_URL"]["usedBy"][-1] == {"consumer": "app app", "variable": "VITE_SENTRY_URL"}
    assert (listed["MONGO_URL"]["revision"], listed["SENTRY_URL"]["revision"]) == (2, 1)

    run(lab, "unset", STACK, "NEW", "--yes")
    revisions = json.loads(run(lab, "history", STACK, "--json").stdout)["revisions"]
    assert [(each["revision"], each["changes"]) for each in revisions][:3] == [
        (4, {"added": [], "changed": [], "removed": ["NEW"]}),
        (3, {"added": ["NEW"], "changed": ["SECRET"], "removed": []}),
        (2, {"added": [], "changed": ["MONGO_URL"], "removed": []}),
    ]
    assert "removed NEW" in run(lab, "history", STACK, "--most", "1").stdout
    assert "~ MONGO_URL" in run(lab, "rollback", STACK, "--to", "1", "--yes").stdout
    assert document(lab) == first
    assert "already has these values" in run(lab, "rollback", STACK, "--to", "1", "--yes").stdout
    assert VALUE not in (lab.project.directory / ".local/test-scaleway.log").read_text()


def test_what_cannot_work_is_refused_and_changes_nothing(lab: Lab, tmp_path: Path) -> None:
    before = document(lab)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\n[ -z "$NEW" ] || printf "$NEW" > "$1"\n')
    editor.chmod(0o755)
    for words, typed, message in (
        (("set", STACK, "MONGO_URL", VALUE), "", "The value cannot be an argument"),
        (("set", STACK, f"MONGO_URL={VALUE}"), "", "The value cannot be an argument"),
        (("set", STACK, "MONGO_URL", "--yes"), "", "is empty"),
        (("set", STACK, "MONGO_URL"), VALUE, "Confirm with --yes"),
        (("set", STACK, "", "--yes"), VALUE, "the key is empty"),
        (("set", STACK, " A", "--yes"), VALUE, "the key contains control characters, or starts"),
        (("import", STACK, "-", "--yes"), r'{"A\n": "b"}', "the key contains control characters, or starts"),
        (("unset", STACK, "MONGO_URL", "--yes"), "", "MONGO_URL: missing (used by app api"),
        (("unset", STACK, "MONGO_URLS", "--yes"), "", "Did you mean MONGO_URL?"),
        (("get", STACK, "MONGO_URLS"), "", "has no key MONGO_URLS"),
        (("import", STACK, "-", "--yes"), f"A={VALUE}\n{VALUE}", "Standard input: line 2: expected KEY=VALUE"),
        (("import", STACK, "no-such-file", "--yes"), "", "no-such-file cannot be read"),
        (("import", STACK, "-", "--replace", "--yes"), f"MONGO_URL={VALUE}", "SENTRY_URL: missing"),
        (("rollback", STACK, "--to", "9", "--yes"), "", "Revision 9 of snu-local does not exist"),
        (("list", "foundation-local"), "", "is a foundation"),
        (("edit", STACK), "", "Confirm with --yes"),
    ):
        assert message in run(lab, *words, typed=typed, expect=ExitCode.USAGE).stderr, words
    for new, expect, message in (
        ("", ExitCode.OK, ""),
        (" ", ExitCode.CANCELLED, "is empty"),
        (f'{{"A": "{VALUE}"', ExitCode.USAGE, "line 1, column "),
        (f'["{VALUE}"]', ExitCode.USAGE, "not a JSON object"),
        (r"\377", ExitCode.USAGE, "not UTF-8"),
    ):
        edited = run(lab, "edit", STACK, "--yes", expect=expect, EDITOR=str(editor), NEW=new)
        assert message in edited.stderr
    assert "exited with status 1" in run(lab, "edit", STACK, "--yes", expect=ExitCode.CANCELLED, EDITOR="false").stderr
    assert document(lab) == before
    assert [*keys(lab)] == sorted(before)

    lab.write_secret(secret_id(lab), f'["{VALUE}"]'.encode())
    for words in (("list", STACK), ("get", STACK, "SECRET"), ("unset", STACK, "SECRET", "--yes")):
        assert "is not a JSON object" in run(lab, *words, expect=ExitCode.FAILED).stderr
    assert "not a JSON object" in run(lab, "history", STACK).stdout
    repaired = json.dumps(before).replace("%", "%%")
    run(lab, "edit", STACK, "--yes", EDITOR=str(editor), NEW=repaired)
    assert document(lab) == before


def await_hold(lab: Lab, process: subprocess.Popen[str]) -> None:
    """Until a request of this process is held."""
    deadline = time.monotonic() + 60
    while lab.struck() != [1]:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def edits_while(lab: Lab, folder: Path, key: str, expression: str) -> str:
    """An editor that applies a sed expression while somebody else sets a key to ``theirs``."""
    editor = folder / "editor"
    other = f'{sys.executable} -m ops secrets set local {key} --yes -C "{lab.project.directory}"'
    editor.write_text(f"#!/bin/sh\nprintf theirs | {other} >&2\nsed -i {expression} $1\n")
    editor.chmod(0o755)
    return str(editor)


def test_changes_to_different_keys_are_combined(lab: Lab, tmp_path: Path) -> None:
    before = document(lab)
    editor = edits_while(lab, tmp_path, "SECRET", "s/fake-mongo-url/mine/")
    said = run(lab, "edit", STACK, "--yes", EDITOR=editor).stdout
    assert "In the meantime, revision 2 (snu secrets set by " in said
    assert (
        "was created. Your change was applied to the latest revision.\nsnu-local of local, revision 2:\n  ~ MONGO_URL\n"
        in said
    )
    assert document(lab) == {
        key: {"SECRET": "theirs", "MONGO_URL": "mine"}.get(key, value) for key, value in before.items()
    }
    same = edits_while(lab, tmp_path, "SENTRY_URL", "s/fake-sentry-url/theirs/")
    said = run(lab, "edit", STACK, "--yes", EDITOR=same).stdout
    assert said.endswith("snu-local already has these values. Nothing was changed.\n")
    assert "yours would replace" not in said
    run(lab, "set", STACK, "SENTRY_URL", "--yes", typed=before["SENTRY_URL"])
    file = tmp_path / "new.json"
    file.write_text(json.dumps({**before, "MONGO_URL": "mine too"}))
    lab.fault("hold", match=CREATION, times=1)
    later = start(lab, "import", STACK, str(file), "--replace", "--yes")
    await_hold(lab, later)
    run(lab, "set", STACK, "SECRET", "--yes", typed="theirs too")
    lab.clear_faults()
    _, err = later.communicate(timeout=60)
    assert later.returncode == ExitCode.REFUSED, "a whole document takes nobody's change into account"
    assert "was disabled." in err


def test_of_two_people_the_first_one_counts(lab: Lab, tmp_path: Path) -> None:
    """One edits while the other sets a key; then both write in the same moment; then a response is lost."""
    before = document(lab)
    editor = edits_while(lab, tmp_path, "MONGO_URL", "s/fake-mongo-url/mine/")
    refused = run(lab, "edit", STACK, "--yes", expect=ExitCode.REFUSED, EDITOR=editor)
    assert "revision 2 (snu secrets set by " in refused.stderr
    assert "was created. Nothing was changed." in refused.stderr
    assert document(lab) == {**before, "MONGO_URL": "theirs"}

    lab.fault("hold", match=CREATION, times=1)
    later = start(lab, "set", STACK, "MONGO_URL", "--yes")
    assert later.stdin is not None
    later.stdin.write(VALUE)
    later.stdin.close()
    later.stdin = None
    await_hold(lab, later)
    run(lab, "set", STACK, "MONGO_URL", "--yes", typed="theirs too")
    lab.clear_faults()
    _, err = later.communicate(timeout=60)
    assert later.returncode == ExitCode.REFUSED, err
    assert "Your revision 4 was disabled." in err
    assert document(lab) == {**before, "MONGO_URL": "theirs too"}

    lab.fault("dropped_connection", when="after", match=CREATION, times=1)
    run(lab, "set", STACK, "MONGO_URL", "--yes", typed=VALUE)
    assert document(lab)["MONGO_URL"] == VALUE


def test_a_signal_waits_until_the_new_version_is_checked(lab: Lab) -> None:
    lab.fault("hold", when="after", match=CREATION, times=1)
    process = start(lab, "set", STACK, "MONGO_URL", "--yes")
    assert process.stdin is not None
    process.stdin.write(VALUE)
    process.stdin.close()
    process.stdin = None
    await_hold(lab, process)
    os.kill(forked_for(process.pid) or process.pid, signal.SIGTERM)  # before the response, not after it
    lab.clear_faults()
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.CANCELLED
    assert "Interrupted after revision 2 of snu-local was written." in err
    assert document(lab)["MONGO_URL"] == VALUE


def test_who_may_read_and_write_the_document(lab: Lab) -> None:
    """The deploy key reads; a key of another project, a wrong key and no key do not, and no value is guessed."""
    use(lab, STACK, deploy_key(lab, STACK))
    assert keys(lab)["SECRET"]["problem"] == ""
    refused = run(lab, "set", STACK, "SECRET", "--yes", typed=VALUE, expect=ExitCode.ENVIRONMENT)
    assert "cannot be written with the current API key (403)" in refused.stderr
    assert "SecretManagerFullAccess" in refused.stderr

    application = lab.ask("POST", "/iam/v1alpha1/applications", {"name": "other", "organization_id": ORGANIZATION})
    rule = {"permission_set_names": ["SecretManagerFullAccess"], "project_ids": [ORGANIZATION]}
    policy = {"name": "other", "organization_id": ORGANIZATION, "application_id": application["id"], "rules": [rule]}
    lab.ask("POST", "/iam/v1alpha1/policies", policy)
    use(lab, STACK, make_key(lab, "other"))
    for words in (("list", STACK), ("get", STACK, "SECRET"), ("history", STACK)):
        refused = run(lab, *words, expect=ExitCode.ENVIRONMENT)
        assert "cannot be read with the current API key (403)" in refused.stderr
        assert refused.stdout == ""
    previewed = lab.project.snu("preview", STACK, "--engine", "embedded", "--no-refresh")
    assert "local: could not check whether the secret document has the keys that apps and jobs" in previewed.stderr

    lab.project.change(
        STACK, lambda config: config.update({"scaleway:secretKey": "00000000-0000-4000-8000-00000000dead"})
    )
    assert "(401)" in run(lab, "list", STACK, expect=ExitCode.ENVIRONMENT).stderr
    lab.project.change(STACK, lambda config: config.pop("scaleway:secretKey"))
    assert "no Scaleway API key" in run(lab, "list", STACK, expect=ExitCode.ENVIRONMENT).stderr


def test_a_preview_and_a_plan_first_say_which_keys_are_missing(lab: Lab) -> None:
    incomplete = {key: value for key, value in document(lab).items() if key not in ("MONGO_URL", "SENTRY_URL")}
    lab.write_secret(secret_id(lab), json.dumps(incomplete).encode())
    for words in (
        ("preview", STACK),
        ("preview", STACK, "--json"),
        ("plan", STACK, "--out", "x.plan", "--allow-dirty"),
    ):
        failed = lab.project.snu(*words, "--engine", "embedded")
        assert failed.returncode != ExitCode.OK
        assert failed.stderr.startswith(f"warning: local: {NAME} lacks 2 keys that apps or jobs need:\n"), failed.stderr
        assert "MONGO_URL: missing (used by app api, app apiv2, app tasks, app tasksv2)" in failed.stderr
        assert "Set each key with `scripts/snu secrets set local KEY`." in failed.stderr
