"""Which tags of a registry are deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ops.clean_images import ImagesInUse, RegistryTag, shortest_age, verdicts
from tests.support.environment import ROOT

NOW = datetime(2026, 11, 26, tzinfo=UTC)
AGE = timedelta(days=60)
DIGESTS = [f"sha256:{digit * 64}" for digit in "abcd"]

tags = st.builds(
    RegistryTag,
    id=st.uuids().map(str),
    image=st.sampled_from(["api", "app"]),
    name=st.text("abc", min_size=1, max_size=3),
    digest=st.sampled_from(DIGESTS),
    touched=st.integers(0, 100).map(lambda days: NOW - timedelta(days=days)),
)


@given(held=st.lists(tags, max_size=12), wanted=st.sets(st.sampled_from(DIGESTS)))
def test_used_and_recent_images_are_kept_with_all_tags(held: list[RegistryTag], wanted: set[str]) -> None:
    found = ImagesInUse()
    for digest in wanted:
        found.add(f"x@{digest} and more", "in use")
    decided = verdicts(held, found, AGE, NOW)
    assert sorted(each.tag.id for each in decided) == sorted(tag.id for tag in held)
    going = {(each.tag.image, each.tag.digest) for each in decided if not each.stays}
    staying = {(each.tag.image, each.tag.digest) for each in decided if each.stays}
    assert not going & staying
    assert not {digest for _, digest in going} & wanted
    for each in decided:
        if NOW - each.tag.touched < AGE:
            assert each.stays
        elif each.tag.digest not in wanted and all(
            NOW - other.touched >= AGE
            for other in held
            if (other.image, other.digest) == (each.tag.image, each.tag.digest)
        ):
            assert not each.stays


def test_the_first_reason_is_reported() -> None:
    found = ImagesInUse()
    found.add(DIGESTS[0], "in the state of ci")
    found.add(DIGESTS[0], "in Pulumi.ci.yaml")
    assert found.reasons == {DIGESTS[0]: "in the state of ci"}


def test_images_of_possible_plans_are_kept(tmp_path: Path) -> None:
    assert shortest_age(ROOT, timedelta()) >= timedelta(hours=24)
    (tmp_path / "Pulumi.stage.yaml").write_text("config:\n  snu:plans:\n    expireAfter: 96\n")
    assert shortest_age(tmp_path, timedelta(days=1)) == timedelta(hours=96)
    assert shortest_age(tmp_path, AGE) == AGE
