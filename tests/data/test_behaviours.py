from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.data.toy import ConstantPolicy, PointConfig, PointTask
from wm_lab.data.behaviours import Exploration, ExplorationConfig, choose, disturbance, ornstein_uhlenbeck
from wm_lab.data.rollout import PlayConfig, play
from wm_lab.errors import UserError


def explore(name: str, seeds, value: float = 0.25, **more):
    config = ExplorationConfig({name: 1.0}, **more)
    task = partial(PointTask, PointConfig(episode_steps=60))
    return [e.action[1:] for e in play(task, lambda: Exploration(ConstantPolicy(value), config), seeds)]


def test_noise_has_unit_variance_from_the_first_step_and_the_correlation_asked_for():
    noise = ornstein_uhlenbeck(np.random.default_rng(0), 200, 2000, 0.8)
    assert noise[0].std() == pytest.approx(1, abs=0.05) and noise[-1].std() == pytest.approx(1, abs=0.05)
    neighbours = [np.corrcoef(noise[t], noise[t + 1])[0, 1] for t in (0, 50, 198)]
    assert neighbours == pytest.approx([0.8] * 3, abs=0.03)
    assert np.corrcoef(noise[10], noise[15])[0, 1] == pytest.approx(0.8**5, abs=0.06)


def test_the_mix_follows_its_weights_and_strengths():
    config = ExplorationConfig({"noisy_expert": 3.0, "random": 1.0}, [0.1, 0.5])
    choices = [choose(config, seed) for seed in range(4000)]
    noisy = [choice for choice in choices if choice.behaviour == "noisy_expert"]
    assert len(noisy) / 4000 == pytest.approx(0.75, abs=0.03)
    assert np.mean([choice.strength == 0.5 for choice in noisy]) == pytest.approx(0.5, abs=0.04)
    assert {choice.strength for choice in choices if choice.behaviour == "random"} == {1.0}


def test_the_order_of_the_weights_does_not_matter():
    a = ExplorationConfig({"expert": 1.0, "random": 1.0, "noisy_expert": 1.0})
    b = ExplorationConfig({"random": 1.0, "noisy_expert": 1.0, "expert": 1.0})
    assert [choose(a, s)[:2] for s in range(50)] == [choose(b, s)[:2] for s in range(50)]


def test_an_expert_is_left_alone():
    assert all((action == 0.25).all() for action in explore("expert", range(4)))


def test_noise_is_added_to_the_policy_in_the_strength_drawn():
    actions = np.stack(explore("noisy_policy", range(200), strengths=[0.2]))
    assert actions.mean() == pytest.approx(0.25, abs=0.02)
    assert actions.std() == pytest.approx(0.2, rel=0.05)


def test_random_episodes_ignore_the_policy_and_never_ask_it():
    calm, wild = explore("random", range(6), 0.0), explore("random", range(6), 1.0)
    np.testing.assert_array_equal(calm, wild)

    class Refuses(ConstantPolicy):
        def act(self, moment):
            raise AssertionError("asked")

    play(PointTask, lambda: Exploration(Refuses(), ExplorationConfig({"random": 1.0})), range(3))


def test_perturbation_and_recovery_take_turns_in_blocks():
    for seed in range(5):
        keep, noise = disturbance(ExplorationConfig({"perturb_recover": 1.0}, block=12), seed, 100, 3)
        assert set(keep) == {0.0, 1.0}
        changes = np.flatnonzero(np.diff(keep))
        assert set(np.diff(changes)) == {12}
        assert (noise[keep == 1] == 0).all() and (noise[keep == 0] != 0).all()
    phases = {disturbance(ExplorationConfig({"perturb_recover": 1.0}), s, 100, 3).keep[0] for s in range(20)}
    assert phases == {0.0, 1.0}, "some episodes begin off the way"


def test_an_action_is_disturbed_by_its_share_of_the_noise():
    config = ExplorationConfig({"noisy_policy": 1.0}, strengths=[0.2])
    whole, part = (
        np.concatenate(
            [e.action[1:] for e in play(PointTask, lambda s=s: Exploration(ConstantPolicy(0.1), config, s), [3])]
        )
        for s in (None, [0.5, 0.0])
    )
    np.testing.assert_allclose(part[:, 0] - 0.1, 0.5 * (whole[:, 0] - 0.1), atol=1e-6)
    assert (part[:, 1] == np.float32(0.1)).all() and whole[:, 1].std() > 0.05


def test_a_disturbed_row_does_not_depend_on_its_neighbours():
    config = ExplorationConfig({"noisy_policy": 1.0, "random": 1.0, "perturb_recover": 1.0})
    make = partial(play, PointTask, lambda: Exploration(ConstantPolicy(0.1), config), range(9))
    for a, b in zip(make(PlayConfig(group=9)), make(PlayConfig(group=2)), strict=True):
        np.testing.assert_array_equal(a.action, b.action)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": {"noisy_exprt": 1.0}}, "noisy_expert"),
        ({"weights": {"expert": 0.0}}, "no behaviour"),
        ({"weights": {}}, "no behaviour"),
        ({"strengths": []}, "strengths"),
    ],
)
def test_impossible_mixes_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        ExplorationConfig(**values)
