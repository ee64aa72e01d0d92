"""What the tests' lab keeps and brings back."""

from __future__ import annotations

from pathlib import Path

from tests.lab.lab import Lab


def _files(lab: Lab) -> dict[str, str]:
    """The files that commands write, with what is in them."""
    folder = lab.project.directory
    files = [*folder.glob("Pulumi.*.yaml"), *(path for path in (folder / ".local").rglob("*") if path.is_file())]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def _use(lab: Lab) -> None:
    """Change, add and remove files, as a test does."""
    lab.state_file("local").write_text("another state")
    lab.project.change("local", lambda config: config.update({"snu:protect": True}))
    lab.project.stack_file("pr-7").write_text("config: {}\n")
    lab.project.stack_file("ci").unlink()


def test_everything_is_as_it_was_saved(tmp_path: Path) -> None:
    """Without a stack's file that did not exist then."""
    lab = Lab.at(tmp_path / "project")
    lab.state_file("local").parent.mkdir(parents=True)
    lab.state_file("local").write_text("a state")
    saved = _files(lab)
    assert "Pulumi.local.yaml" in saved
    lab.save(tmp_path / "saved")
    for _ in range(2):
        _use(lab)
        assert _files(lab).keys() != saved.keys()
        lab.restore(tmp_path / "saved")
        assert _files(lab) == saved

    _use(lab)
    changed = {name: text for name, text in _files(lab).items() if name.startswith("Pulumi.")}
    lab.restore(tmp_path / "saved", stack_files=False)
    state = {name: text for name, text in saved.items() if not name.startswith("Pulumi.")}
    assert _files(lab) == state | changed
