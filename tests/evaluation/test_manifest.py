"""A manifest stays what it was, and says in what another one differs."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from tests.evaluation.examples import task_spec
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import COLLECTION_SEEDS, SPLITS, Manifest, freeze, require_same, require_unseen


def test_a_manifest_survives_its_file_hash_and_all(tmp_path):
    manifest = freeze(task_spec(), 20)
    manifest.save(tmp_path / "runs" / "manifest.json")
    loaded = Manifest.load(tmp_path / "runs" / "manifest.json")
    assert loaded == manifest
    assert loaded.hash == manifest.hash
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["manifest.json"]


def test_everything_an_outcome_depends_on_changes_the_hash():
    ways = [
        freeze(task_spec(), 20),
        freeze(task_spec(), 21),
        freeze(task_spec(), 20, offset=1),
        freeze(task_spec(), 20, split="validation"),
        freeze(task_spec(), 20, step_budget=30),
        freeze(task_spec(physics="toy 1.1"), 20),
        freeze(task_spec(success_test="block-to-goal<0.01@1"), 20),
        freeze(task_spec(settings={"tolerance": 0.02, "goal_distance": 0.2}), 20),
    ]
    assert len({m.hash for m in ways}) == len(ways)
    assert freeze(task_spec(), 20).hash == ways[0].hash


def test_collection_validation_and_test_never_share_a_seed():
    ranges = sorted([COLLECTION_SEEDS, *SPLITS.values()], key=lambda r: r.start)
    assert all(a.stop <= b.start for a, b in pairwise(ranges))
    test = freeze(task_spec(), 50)
    require_unseen(test, range(100_000))
    with pytest.raises(UserError, match="2 evaluation episodes of toy/push are also in the training data"):
        require_unseen(test, [5, *test.seeds[:2]])


def test_a_short_evaluation_is_the_beginning_of_the_long_one():
    assert freeze(task_spec(), 100).first(20) == freeze(task_spec(), 20)


def test_a_comparison_of_two_manifests_names_what_differs():
    a = freeze(task_spec(), 20)
    require_same(a, freeze(task_spec(), 20))
    with pytest.raises(UserError, match=r"20 episodes against 10"):
        require_same(a, freeze(task_spec(), 10))
    with pytest.raises(UserError, match=r"20 of 20 episode seeds.*split is 'test' against 'validation'"):
        require_same(a, freeze(task_spec(), 20, split="validation"))
    with pytest.raises(UserError, match=r"card.physics is 'toy 1.0' against 'toy 2.0'"):
        require_same(a, freeze(task_spec(physics="toy 2.0"), 20))
    with pytest.raises(UserError, match=r"card.settings.tolerance is 0.02 against 0.5"):
        require_same(a, freeze(task_spec(settings={"tolerance": 0.5, "goal_distance": 0.1}), 20))


def test_a_manifest_edited_by_hand_is_refused_by_name(tmp_path):
    path = tmp_path / "manifest.json"
    freeze(task_spec(), 5).save(path)
    path.write_text(path.read_text().replace('"toy 1.0"', '"toy 9.9"'))
    with pytest.raises(UserError, match=r"manifest\.json was changed after it was frozen"):
        Manifest.load(path)
    path.write_text("{")
    with pytest.raises(UserError, match="not a readable evaluation manifest"):
        Manifest.load(path)
    path.write_text(json.dumps({"card": {}}))
    with pytest.raises(UserError, match="not an evaluation manifest"):
        Manifest.load(path)
    with pytest.raises(UserError, match="there is no evaluation manifest"):
        Manifest.load(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"episodes": 0}, "episodes=0"),
        ({"episodes": 2**30}, "between 1 and"),
        ({"episodes": 5, "split": "tset"}, "unknown evaluation split 'tset'"),
        ({"episodes": 5, "step_budget": 61}, "step_budget=61 does not fit toy/push"),
    ],
)
def test_an_impossible_manifest_is_refused(wrong, said):
    with pytest.raises(UserError, match=said):
        freeze(task_spec(), **wrong)
