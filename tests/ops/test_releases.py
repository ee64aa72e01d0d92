"""Releases as Git tags: written and read back, next to other tags."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pygit2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import Image
from ops.errors import OpsError
from ops.releases.changelog import changelog
from ops.releases.release import Release, name_parts
from ops.releases.tags import Releases
from tests.lab.repository import commit_all

DIGEST = "sha256:" + "a" * 64
DAY = date(2026, 11, 26)
CONTENT: dict[str, Any] = {
    "images": {"api": Image(version="4f2a", digest=DIGEST)},
    "plan": "0" * 64,
    "plan_id": "1",
    "by": "A Manager",
    "at": datetime(2026, 11, 26, 9, 30, tzinfo=UTC),
}


@pytest.fixture
def repository(tmp_path: Path) -> pygit2.Repository:
    made = pygit2.init_repository(str(tmp_path), initial_head="main")
    (tmp_path / "file").write_text("x")
    commit_all(made, "first")
    return made


def head(repository: pygit2.Repository) -> str:
    return str(repository.head.target)


def test_releases_are_numbered_by_day_and_listed_newest_first(repository: pygit2.Repository) -> None:
    releases = Releases.of(Path(repository.workdir))
    made = [releases.record("stage", day, head(repository), **CONTENT) for day in (DAY, DAY, date(2026, 12, 1))]
    releases.record("production", DAY, head(repository), **CONTENT)
    assert [each.name for each in made] == ["stage/2026-11-26.1", "stage/2026-11-26.2", "stage/2026-12-01.1"]
    assert releases.all("stage") == made[::-1]
    assert releases.newest("production") is not None
    assert releases.newest("ci") is None
    assert releases.find("stage", "2026-11-26.2") == releases.find("stage", "stage/2026-11-26.2") == made[1]


def test_the_tenth_of_a_day_follows_the_ninth(repository: pygit2.Repository) -> None:
    releases = Releases.of(Path(repository.workdir))
    for _ in range(11):
        releases.record("stage", DAY, head(repository), **CONTENT)
    assert [each.number for each in releases.all("stage")] == [*range(11, 0, -1)]


def test_the_tag_is_readable_by_people_and_programs(repository: pygit2.Repository) -> None:
    Releases.of(Path(repository.workdir)).record("stage", DAY, head(repository), **CONTENT)
    tag = repository[repository.references["refs/tags/stage/2026-11-26.1"].target]
    assert isinstance(tag, pygit2.Tag)
    assert tag.message.startswith("Release stage/2026-11-26.1: api 4f2a\n\nApplied by A Manager on 2026-11-26 at 09:30")
    assert tag.tagger is not None
    assert tag.tagger.name


def test_other_tags_are_ignored_but_their_numbers_count(repository: pygit2.Repository) -> None:
    signature = pygit2.Signature("B", "b@snu.localhost")
    target, kind = repository.head.target, pygit2.enums.ObjectType.COMMIT
    for name in ("v1.0", "stage/notes", "stage/2026-13-01.1", "stage/2026-11-26.0", "stage/2026-11-26.3"):
        repository.create_tag(name, target, kind, signature, "mine")
    repository.create_tag("stage/2026-11-26.4", target, kind, signature, '```snu-release\n{"format": 99}\n```')
    blob = repository.create_blob(b"no commit")
    repository.create_tag("stage/2026-11-26.5", blob, pygit2.enums.ObjectType.BLOB, signature, "mine")
    repository.references.create("refs/tags/stage/2026-11-26.6", target)  # a lightweight one
    releases = Releases.of(Path(repository.workdir))
    assert releases.all("stage") == []
    assert releases.record("stage", DAY, head(repository), **CONTENT).number == 7
    assert [each.number for each in releases.all("stage")] == [7]


def test_an_unknown_release_lists_the_newest_ones(repository: pygit2.Repository) -> None:
    Releases.of(Path(repository.workdir)).record("stage", DAY, head(repository), **CONTENT)
    with pytest.raises(OpsError, match=r"stage has no release 2\. Latest releases: stage/2026-11-26\.1"):
        Releases.of(Path(repository.workdir)).find("stage", "2")
    with pytest.raises(OpsError, match="none; run `git fetch --tags`"):
        Releases.of(Path(repository.workdir)).find("production", "2")


versions = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    stack=st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True),
    day=st.dates(min_value=date(1970, 1, 1)),
    number=st.integers(1, 999_999),
    images=st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True), versions, max_size=4),
    by=texts,
    plan=texts,
)
def test_written_releases_are_read_back(
    stack: str, day: date, number: int, images: dict[str, str], by: str, plan: str
) -> None:
    release = Release(
        stack=stack,
        day=day,
        number=number,
        commit="c" * 40,
        images={name: Image(version=version, digest=DIGEST) for name, version in images.items()},
        plan=plan,
        plan_id=plan,
        by=by,
        at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    assert name_parts(release.name) == (stack, day, number)
    assert Release.parse(release.name, "c" * 40, release.message) == release
    assert "\n" not in release.message.partition("\n\n")[0]


@given(tag=st.text(max_size=40), message=st.text(max_size=200), json=st.text(max_size=100))
def test_other_messages_are_not_releases(tag: str, message: str, json: str) -> None:
    assert name_parts(tag) is None or "/" in tag
    assert Release.parse("stage/2026-11-26.1", "c", message) is None
    assert Release.parse("stage/2026-11-26.1", "c", f"```snu-release\n{json}\n```") is None


# --- changelogs -----------------------------------------------------------------------------------------


@pytest.fixture
def code(tmp_path: Path, repository: pygit2.Repository) -> pygit2.Repository:
    (tmp_path / "images.yaml").write_text("images: {api: {folder: api}, app: {folder: app}}\n")
    for app in ("api", "app"):
        (tmp_path / app).mkdir()
        (tmp_path / app / "Dockerfile").write_text("FROM scratch\n")
    commit_all(repository, "Two apps")
    return repository


def change(code: pygit2.Repository, app: str, message: str) -> str:
    """A commit; gives its id."""
    (Path(code.workdir) / app / "main").write_text(message)
    return commit_all(code, message)


def image(code: pygit2.Repository, app: str) -> Image:
    from infra.images.working_copy import WorkingCopy

    return Image(version=WorkingCopy(Path(code.workdir)).inputs(app).version, digest=DIGEST)


def test_a_changelog_has_each_apps_own_commits(code: pygit2.Repository) -> None:
    before = {app: image(code, app) for app in ("api", "app")}
    first, _, second = (
        change(code, "api", "Mend"),
        change(code, "app", "Paint"),
        change(code, "api", "Mend *more* @all"),
    )
    after = {"api": image(code, "api"), "app": before["app"]}
    log = changelog("T", Path(code.workdir), (), before, after)
    assert log.apps == "api"
    assert [each.commit for each in log.changes[0].added] == [second, first]
    assert log.changes[0].removed == []
    assert f"- `{second[:8]}` `Mend *more* @all` (`Test`)" in log.markdown()
    assert "Paint" not in log.plain() + log.markdown() + log.slack()
    back = changelog("T", Path(code.workdir), (), after, before)
    assert [each.commit for each in back.changes[0].removed] == [second, first]
    assert f"  - removes {first[:8]} Mend (Test)" in back.plain()


def test_a_fix_of_another_branch_is_found_by_its_release(code: pygit2.Repository) -> None:
    before = image(code, "api")
    main = code.head.target
    fix = change(code, "api", "Fix")
    fixed = image(code, "api")
    Releases.of(Path(code.workdir)).record("stage", DAY, fix, **CONTENT)
    code.reset(main, pygit2.enums.ResetMode.HARD)
    change(code, "app", "main goes on")
    log = changelog("T", Path(code.workdir), ("stage",), {"api": before}, {"api": fixed})
    assert [each.commit for each in log.changes[0].added] == [fix]


def test_unknown_commits_are_explained(code: pygit2.Repository, tmp_path_factory: pytest.TempPathFactory) -> None:
    here = image(code, "api")
    strange = Image(version="f00", digest=DIGEST)
    folder = Path(code.workdir)
    log = changelog("T", folder, (), {"api": strange}, {"api": here, "other": strange, "app": strange})
    assert "f00 not in this Git history" in log.plain()
    assert log.plain().count("newly added") == 2
    assert "not built from this repository" in changelog("T", folder, (), {"x": here}, {"x": strange}).plain()
    elsewhere = tmp_path_factory.mktemp("empty")
    assert "not in a Git repository" in changelog("T", elsewhere, (), {"api": strange}, {"api": here}).plain()


def test_slack_gets_no_mention(code: pygit2.Repository) -> None:
    before = image(code, "api")
    change(code, "api", "Hi <!channel> & `x`")
    log = changelog("T", Path(code.workdir), (), {"api": before}, {"api": image(code, "api")})
    assert "Hi &lt;!channel&gt; &amp; 'x'" in log.slack()
