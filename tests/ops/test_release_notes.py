"""The GitHub releases of release tags, with a fake GitHub server and a real repository."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.settings import Image
from ops.errors import OpsError
from ops.releases import hotfix
from ops.releases.notes import Outcome, ReleaseNotes, publish_notes
from ops.releases.release import Release
from ops.releases.tags import Releases
from tests.ops.test_releases import CONTENT, DAY, DIGEST
from tests.support.environment import clean_environment
from tests.support.github import TOKEN, FakeGitHub

STACK = "production"
WEB = "https://github.example/octo/snu"
MARKER = "<!-- snu:release:production -->"


@pytest.fixture
def server() -> Iterator[FakeGitHub]:
    with FakeGitHub() as fake:
        yield fake


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.github.RETRY_SECONDS", 0.0)


class Project:
    """A repository with an image built from `api`, and releases of it."""

    def __init__(self, folder: Path, server: FakeGitHub) -> None:
        self.folder = folder
        self.server = server
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("config", "user.name", "Ada @everyone")
        self.git("config", "user.email", "ada@example.org")
        (folder / "images.yaml").write_text("workspace: code\nimages: {api: {folder: code/api}}\n")
        (folder / "Pulumi.yaml").write_text("name: snu\nruntime: python\n")
        (folder / "Pulumi.stage.yaml").write_text("config: {}\n")
        (folder / "Pulumi.production.yaml").write_text("config:\n  snu:promoteFrom: stage\n")
        (folder / "code/api").mkdir(parents=True)
        (folder / "code/api/Dockerfile").write_text("FROM scratch\n")

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, subject: str) -> Image:
        """Change the app. Gives its image."""
        from infra.images.working_copy import WorkingCopy

        (self.folder / "code/api/main.js").write_text(subject)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        return Image(version=WorkingCopy(self.folder).inputs("api").version, digest=DIGEST)

    def release(self, images: dict[str, Image], stack: str = STACK, *, pushed: bool = True, **content: Any) -> Release:
        releases = Releases.of(self.folder)
        at = CONTENT["at"] + timedelta(minutes=len(releases.all(stack)))
        whole = {**CONTENT, "images": images, "at": at, **content}
        release = releases.record(stack, DAY, self.git("rev-parse", "HEAD"), **whole)
        if pushed:
            self.server.tags[release.name] = self.tag(release)
        return release

    def tag(self, release: Release) -> str:
        return self.git("rev-parse", f"refs/tags/{release.name}")

    def notes(self, release: Release, *, is_final: bool = True) -> ReleaseNotes:
        return ReleaseNotes(release, Releases.of(self.folder).all(release.stack), self.folder, is_final)

    def publish(self, release: Release, **options: Any) -> Outcome:
        notes = self.notes(release, **options)
        return publish_notes(self.server.repository, TOKEN, notes, self.tag(release)).outcome


@pytest.fixture
def project(tmp_path: Path, server: FakeGitHub) -> Project:
    return Project(tmp_path, server)


def test_notes_say_who_released_what_with_links(project: Project) -> None:
    first = project.release({"api": project.commit("begin"), "old": Image(version="1", digest=DIGEST)})
    project.commit("Fix @octo/team `code` <b> (#12)")
    image = project.commit("Merge pull request #13 from octo/x")
    second = project.release({"api": image}, by="@ada")
    text = project.notes(second).markdown(WEB)
    head, fix = project.git("rev-parse", "HEAD"), project.git("rev-parse", "HEAD~1")
    assert text.split("\n") == [
        MARKER,
        f"Deployed to production by `@ada` on 2026-11-26 at 09:31 UTC, commit [`{head[:12]}`]({WEB}/commit/{head}).",
        f"All changes since [{first.name}]({WEB}/releases/tag/production%2F2026-11-26.1): "
        f"[compare]({WEB}/compare/production%2F2026-11-26.1...production%2F2026-11-26.2).",
        "",
        "### Changed images",
        "",
        f"**`api`** `{first.images['api'].version[:12]}` → `{image.version[:12]}`",
        f"- [`{head[:8]}`]({WEB}/commit/{head}) [#13]({WEB}/pull/13) `Merge pull request #13 from octo/x` "
        "(`Ada @everyone`)",
        f"- [`{fix[:8]}`]({WEB}/commit/{fix}) [#12]({WEB}/pull/12) ``Fix @octo/team `code` <b> (#12)`` "
        "(`Ada @everyone`)",
        "",
        "**`old`** is no longer part of the stack.",
    ]
    assert project.notes(second).title == second.name


def test_the_first_release_and_one_without_new_images(project: Project) -> None:
    image = project.commit("begin")
    first = project.release({"api": image})
    second = project.release({"api": image})
    text = project.notes(first).markdown(WEB)
    assert "This is the first release of production." in text
    assert "newly added" in text
    assert "No image changed: this release changes only settings or the program." in project.notes(second).markdown(WEB)


def test_rollbacks_and_hotfixes_are_marked(project: Project) -> None:
    first = project.release({"api": project.commit("begin")})
    project.git("commit", "--quiet", "--allow-empty", "--message", hotfix.title(STACK, "stage", ["api"]))
    second = project.release({"api": project.commit("fix")})
    project.git("commit", "--quiet", "--allow-empty", "--message", "Hotfix of the login page")
    third = project.release({"api": first.images["api"]})
    fourth = project.release({"api": project.commit("next")})
    assert [project.notes(each).title for each in (first, second, third, fourth)] == [
        first.name,
        f"{second.name} (hotfix)",
        f"{third.name} (rollback)",
        fourth.name,
    ]
    assert "\n**Hotfix**, without the other changes" in project.notes(second).markdown(WEB)
    rollback = project.notes(third).markdown(WEB)
    assert f"\n**Rollback** to [{first.name}](" in rollback
    assert "- removes [" in rollback


def test_a_release_is_created_once_and_updated(project: Project, server: FakeGitHub) -> None:
    first = project.release({"api": project.commit("begin")})
    assert project.publish(first) is Outcome.CREATED
    (made,) = server.releases
    assert (made["tag_name"], made["prerelease"], made["make_latest"]) == (first.name, False, "true")
    assert project.publish(first) is Outcome.UNCHANGED
    made["body"] = f"{MARKER}\r\nedited"
    second = project.release({"api": project.commit("next")})
    assert project.publish(second) is Outcome.CREATED
    assert project.publish(first) is Outcome.UPDATED
    assert "edited" not in made["body"]
    assert (made["make_latest"], server.releases[1]["make_latest"]) == ("false", "true")
    assert server.writes == ["POST", "POST", "PATCH"]


def test_a_release_that_someone_wrote_is_left_alone(project: Project, server: FakeGitHub) -> None:
    release = project.release({"api": project.commit("begin")})
    project.publish(release)
    server.releases[0]["body"] = "Written with care."
    assert project.publish(release) is Outcome.FOREIGN
    assert server.releases[0]["body"] == "Written with care."


def test_a_stack_that_others_are_promoted_from_has_prereleases(project: Project, server: FakeGitHub) -> None:
    project.publish(project.release({"api": project.commit("begin")}, "stage"), is_final=False)
    assert (server.releases[0]["prerelease"], server.releases[0]["make_latest"]) == (True, "false")


def test_a_tag_that_is_not_on_github_is_not_created_there(project: Project, server: FakeGitHub) -> None:
    release = project.release({"api": project.commit("begin")}, pushed=False)
    with pytest.raises(OpsError, match=r"is not on GitHub. Run `scripts/snu release publish production` first"):
        project.publish(release)
    server.tags[release.name] = "0" * 40
    with pytest.raises(OpsError, match="is another one on GitHub"):
        project.publish(release)
    assert server.writes == []


@pytest.mark.parametrize("done", [False, True])
def test_a_lost_response_creates_no_second_release(project: Project, server: FakeGitHub, done: bool) -> None:
    release = project.release({"api": project.commit("begin")})
    server.fail("POST", 502, done=done)
    assert project.publish(release) is (Outcome.UNCHANGED if done else Outcome.CREATED)
    assert len(server.releases) == 1


@pytest.mark.parametrize(
    ("status", "message", "headers", "says"),
    [
        (403, "Resource not accessible by integration", {}, "it needs `contents: write`"),
        (404, "Not Found", {}, r"There is no repository octo/snu, or the token cannot access it \(404\)"),
        (422, "Validation Failed", {}, "GitHub returned status 422 for octo/snu: Validation Failed"),
        (403, "API rate limit exceeded", {"X-RateLimit-Reset": "1700000000"}, "exceeded until 22:13:20 UTC"),
        (403, "You have exceeded a secondary rate limit.", {"Retry-After": "60"}, "exceeded for 60 seconds"),
    ],
)
def test_errors_of_github_are_one_readable_sentence(
    project: Project, server: FakeGitHub, status: int, message: str, headers: dict[str, str], says: str
) -> None:
    release = project.release({"api": project.commit("begin")})
    server.fail("POST", status, document={"message": message}, headers=headers)
    with pytest.raises(OpsError, match=says) as caught:
        project.publish(release)
    assert "\n" not in str(caught.value)
    assert project.publish(release) is Outcome.CREATED


def test_long_notes_are_cut(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = project.commit("begin"), None
    project.release({"api": first})
    for number in range(20):
        last = project.commit(f"change {number}")
    assert last is not None
    release = project.release({"api": last})
    monkeypatch.setattr("ops.releases.notes._LIMIT", 1_500)
    text = project.notes(release).markdown(WEB)
    assert len(text) <= 1_500
    assert text.split("\n")[-1].startswith("… and ")


def test_the_command_takes_the_checked_out_or_a_named_release(project: Project, server: FakeGitHub) -> None:
    first = project.release({"api": project.commit("begin")})
    second = project.release({"api": project.commit("next")})
    server.former_name = "octo/old"  # it was renamed

    def notes(*arguments: str) -> str:
        words = ["release", "notes", STACK, "--repo", "octo/old", "--api-url", server.url, "-C", str(project.folder)]
        ended = subprocess.run(
            [sys.executable, "-m", "ops", *words, *arguments],
            env=clean_environment(GITHUB_TOKEN=TOKEN),
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert notes() == f"GitHub release {second.name} created: {WEB}/releases/tag/{second.name}\n"
    assert notes("--release", "2026-11-26.1").startswith(f"GitHub release {first.name} created")
    assert [each["prerelease"] for each in server.releases] == [False, False]
