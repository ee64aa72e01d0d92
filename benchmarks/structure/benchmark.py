"""Lines by package, circles of imports, and how many modules each of three values passes; here or in a checkout."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import httpx
import yaml

from benchmarks.coverage import Copy, copied
from benchmarks.measure import Session
from benchmarks.structure import tracer
from tests.support.environment import ROOT, clean_environment
from tests.support.ports import free_port
from tests.support.source_files import product_packages, source_files

_SCALE, _DIGEST, _TEXT = 37, f"sha256:{'5eed' * 16}", "a text that a PATCH changes"
_PATCH = "PATCH"
_VALUES = {"maxScale": _SCALE, "digest": _DIGEST, _PATCH: _TEXT}
_ABOUT = {
    "maxScale": "maxScale from the stack's file to the API request",
    "digest": "a digest from the file that a build writes to the API request",
    _PATCH: "a PATCH in the local Scaleway",
}
_LOCAL = "localcloud"
_API = re.compile(r"apiUrl: http://127\.0\.0\.1:(\d+)")


def run(session: Session) -> None:
    checkout = (session.repository or ROOT).resolve()
    packages = product_packages(checkout)
    print(f"\n{'lines of Python':<24}")
    for name in (*packages, "tests", "benchmarks"):
        print(f"{name:<24}  {lines_of(checkout / name):>8}")
    print(f"{'product':<24}  {sum(lines_of(checkout / name) for name in packages):>8}")
    found = circles(checkout, packages)
    print(f"\narrows that make circles: {len(found)}")
    print("".join(f"  {arrow}\n" for arrow in found), end="")
    if session.smoke:
        return
    modules = _passed(checkout)
    print("\nmodules that a value passes")
    for name, about in _ABOUT.items():
        print(f"{about:<64}  {len(modules[name]):>3}")
        print("\n".join(f"  {module}" for module in sorted(modules[name])))


def lines_of(folder: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in source_files(folder))


def circles(checkout: Path, packages: list[str]) -> list[str]:
    """The arrows between siblings that would have to go so that no package imports in circles."""
    listing = f"""
import grimp
graph = grimp.build_graph(*{packages!r}, cache_dir=None)
for parent in sorted(module for module in graph.modules if graph.find_children(module)):
    below = len(parent.split(".")) + 1
    cut = [[".".join(each.split(".")[:below]) for each in pair] for pair in graph.nominate_cycle_breakers(parent)]
    for importer, imported in sorted(set(map(tuple, cut))):
        print(importer, "→", imported)
"""
    done = subprocess.run([sys.executable, "-c", listing], cwd=checkout, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


# --- modules that a value passes ----------------------------------------------------------------------------


def _passed(checkout: Path) -> dict[str, set[str]]:
    """By value, the modules with a function that gets it, or something that contains it."""
    with copied(checkout) as copy, tempfile.TemporaryDirectory(prefix="snu-trace-") as folder:
        (copy.folder / "sitecustomize.py").write_bytes(Path(tracer.__file__).read_bytes())
        (copy.folder / "trace.json").write_text(json.dumps({"folder": folder, "values": _VALUES}))
        _bring_up(copy)
        modules = defaultdict[str, set[str]](set)
        for file in Path(folder).iterdir():
            for line in file.read_text().splitlines():
                arguments, name, module = json.loads(line)
                is_local_scaleway = any(word.startswith(_LOCAL) for word in arguments)
                if is_local_scaleway == (name == _PATCH):
                    modules[name].add(module)
        return modules


def _bring_up(copy: Copy) -> None:
    """The local stacks of the copy, with the values in them, and then a PATCH of a container."""
    port, stack = free_port(), copy.folder / "Pulumi.local.yaml"
    for file in copy.folder.glob("Pulumi.*local.yaml"):
        text = file.read_text()
        named = _API.search(text)
        assert named, f"{file.name} does not name the local Scaleway"
        for number in (0, 1):  # the API, and its object storage
            text = text.replace(f":{int(named[1]) + number}", f":{port + number}")
        file.write_text(text)
    stack.write_text(stack.read_text().replace("maxScale: 1\n", f"maxScale: {_SCALE}\n", 1))
    config = yaml.safe_load(stack.read_text())["config"]
    built = copy.folder / ".local/images/local.yaml"
    built.parent.mkdir(parents=True)
    images = {str(app.get("image", name)) for name, app in config["snu:apps"].items()}
    built.write_text(yaml.safe_dump({name: {"version": "1", "digest": _DIGEST} for name in sorted(images)}))
    _snu(copy, "local", "start", "--runtime", "off")
    try:
        for name in ("foundation-local", "local"):
            _snu(copy, "up", name, "--yes", "--engine", "embedded", "--skip-preview")
            if name == "foundation-local":
                _snu(copy, "keys", "store", name)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/containers/v1/regions/fr-par") as api:
            api.headers["X-Auth-Token"] = config["scaleway:secretKey"]
            container = api.get("/containers").raise_for_status().json()["containers"][0]["id"]
            api.patch(f"/containers/{container}", json={"description": _TEXT}).raise_for_status()
            api.get(f"/containers/{container}").raise_for_status()
    finally:
        _snu(copy, "local", "stop")


def _snu(copy: Copy, *arguments: str) -> None:
    done = subprocess.run(
        [copy.python, "-P", "-m", "ops", *arguments],
        cwd=copy.folder,
        env=clean_environment(PYTHONPATH=str(copy.folder), PYTHONPYCACHEPREFIX=str(copy.bytecode)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"snu {' '.join(arguments)} fails: {done.stdout[-1_000:]}{done.stderr[-2_000:]}")
