"""``python -m tests.adoption.record``: creates the live stack again with Terraform, and records what that leaves.

Kept are Terraform's states and all that the local Scaleway holds, so that runs without Terraform begin from there.
Both must be on PATH: ``terraform`` and ``terraform-provider-scaleway``.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

from localcloud.api.store import Store
from tests.adoption.lab import PARENT_ZONE, LiveLab
from tests.adoption.live import CI, PRODUCTION, Environment, configuration, staging
from tests.lab.lab import Lab
from tests.support.seed import ORGANIZATION, OWNER_ACCESS_KEY, OWNER_SECRET_KEY, REGION
from tests.support.terraform import PROGRAMS, Terraform

FOLDER = Path(__file__).parent / "recorded"
ENVIRONMENTS = ("production", "staging", "ci")
_CLOUD = "cloud.jsonl"
_FILES = ("state.db", "vault.db")
_PORT = ":{port}"
_VOLATILE = {
    "hash": r"\$argon2id\$[^\"]+",
    "time": r"\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z| \+0000 UTC)",
    "lineage": r'(?<="lineage": ")[^"]+',
    "serial": r'(?<="serial": )\d+',
}
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def make(lab: Lab, folder: Path) -> LiveLab:
    """Have Terraform make the live stack on the lab's cloud, which is up; its states come to lie in ``folder``."""
    provider = {
        "api_url": lab.project.api_url,
        "access_key": OWNER_ACCESS_KEY,
        "secret_key": OWNER_SECRET_KEY,
        "organization_id": ORGANIZATION,
        "project_id": ORGANIZATION,
        "region": REGION,
        "zone": f"{REGION}-1",
    }
    live = LiveLab(lab, folder)

    def apply(environment: Environment) -> None:
        terraform = Terraform(folder / f"{environment.name}.terraform", configuration(environment, provider))
        terraform.up()
        shutil.copy(terraform.state, folder / f"{environment.name}.tfstate")

    apply(PRODUCTION)
    apply(staging(live.project_id("snu-production")))
    # Only now: hosts of a zone that the cloud has must have a record, and those of staging are managed elsewhere.
    lab.ask("POST", "/domain/v2beta1/dns-zones", PARENT_ZONE)
    apply(CI)
    for name in ENVIRONMENTS:
        live.write_document(name)
    return live


def write(lab: Lab, states: Path, folder: Path) -> None:
    """Record what a stopped cloud holds, and the states."""
    port = f":{lab.project.port}"
    lines = []
    for file in _FILES:
        with sqlite3.connect(f"file:{lab.project.directory}/.local/scaleway/{file}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT kind, id, body FROM resources ORDER BY rowid").fetchall()
        lines += [json.dumps({"kind": kind, "id": id_, "body": json.loads(body)}) for kind, id_, body in rows]
    folder.mkdir(exist_ok=True)
    (folder / _CLOUD).write_text("".join(f"{line}\n" for line in lines).replace(port, _PORT))
    for name in ENVIRONMENTS:
        text = (states / f"{name}.tfstate").read_text()
        (folder / f"{name}.tfstate").write_text(text.replace(port, _PORT))


def load(lab: Lab, states: Path) -> LiveLab:
    """Give the lab, whose cloud is not up, what was recorded; the states come to lie in ``states``."""
    port = f":{lab.project.port}"
    store = Store(lab.project.directory / ".local" / "scaleway")
    for line in (FOLDER / _CLOUD).read_text().replace(_PORT, port).splitlines():
        item = json.loads(line)
        store.put(item["kind"], item["id"], item["body"])
    store.commit()
    store.close()
    for name in ENVIRONMENTS:
        text = (FOLDER / f"{name}.tfstate").read_text()
        (states / f"{name}.tfstate").write_text(text.replace(_PORT, port))
    return LiveLab(lab, states)


def steady(text: str) -> str:
    """A recording without what differs from run to run: ids become their number in the order of their appearance."""
    for name, pattern in _VOLATILE.items():
        text = re.sub(pattern, f"{{{name}}}", text)
    numbers: dict[str, str] = {}
    text = _ID.sub(lambda found: numbers.setdefault(found[0], f"{{id{len(numbers)}}}"), text)
    for id_, number in numbers.items():
        text = text.replace(id_[:8], number)  # endpoints begin with a namespace's id
    return text


def main() -> int:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        sys.stderr.write(f"not recorded, {', '.join(missing)} not on PATH\n")
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Lab.running(folder / "project") as lab:
            make(lab, folder)
        write(lab, folder, FOLDER)
    for path in sorted(FOLDER.iterdir()):
        print(f"{path.name}: {path.stat().st_size // 1024} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
