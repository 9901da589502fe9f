"""Held-out worlds: what varies shows, what should not vary does not, and every world can be gone back to."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from omegaconf import OmegaConf

from tests.data.toy import PointTask
from tests.extras import need
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import freeze, require_same
from wm_lab.tasks.fetch import FetchConfig, FetchTask
from wm_lab.tasks.gym import GymConfig, GymTask
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.hand.goals import GOALS
from wm_lab.tasks.mechanics import Mechanics
from wm_lab.tasks.task import Task
from wm_lab.tasks.variation import HELD_OUT, TRAIN, EvaluationConfig, draw
from wm_lab.tasks.varied import vary

SEEDS = range(5)


def hand(goal: str = "push", observation: str = "state") -> HandTask:
    return HandTask(HandConfig(goal=goal, observation=observation))


def reacher() -> GymTask:
    pytest.importorskip("imageio", reason="gymnasium's MuJoCo environments import it; pip install 'gymnasium[mujoco]'")
    return GymTask(GymConfig())


def fetch() -> FetchTask:
    need("gymnasium_robotics", "tasks")
    return FetchTask(FetchConfig())


MAKERS = {**{goal: lambda goal=goal: hand(goal) for goal in GOALS}, "reacher": reacher, "fetch": fetch}


@pytest.fixture(params=list(MAKERS))
def make(request: pytest.FixtureRequest):
    return MAKERS[request.param]


def by_expert(task: Task, steps: int) -> np.ndarray:
    """The expert's actions [steps, A] from here on."""
    expert, actions = task.expert(), []
    for _ in range(steps):
        actions.append(expert.act())
        task.step(actions[-1])
    return np.stack(actions)


def play(task: Task, actions: np.ndarray) -> np.ndarray:
    """States [H, D] of stepping through actions [H, A]."""
    return np.stack([task.step(action) and task.state() for action in actions])


def random_actions(task: Task, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (*shape, task.task_spec.action_size)).astype(np.float32)


@pytest.mark.parametrize("kind", list(HELD_OUT))
def test_factors_lie_in_the_ranges_that_are_held_out_and_the_others_are_those_of_training(kind: str) -> None:
    drawn = [draw(kind, seed) for seed in range(200)]
    for name in TRAIN._fields:
        values = np.array([getattr(factors, name) for factors in drawn])
        if name not in HELD_OUT[kind]:
            assert (values == getattr(TRAIN, name)).all()
            continue
        below, above = HELD_OUT[kind][name]
        assert ((below[0] <= values) & (values <= below[1]) | (above[0] <= values) & (values <= above[1])).all()
        assert (values < getattr(TRAIN, name)).sum() == pytest.approx(100, abs=30), "both sides are drawn"


@pytest.mark.parametrize("ranges", [(k, n) for k, factors in HELD_OUT.items() for n in factors], ids=str)
def test_a_gap_on_either_side_parts_what_is_held_out_from_training(ranges: tuple[str, str]) -> None:
    (_, below), (above, _) = HELD_OUT[ranges[0]][ranges[1]]
    trained = getattr(TRAIN, ranges[1])
    assert trained - below > 0.1 * (above - below) and above - trained > 0.1 * (above - below)


def test_a_seed_always_draws_the_same_factors_and_another_seed_others() -> None:
    assert draw("physics", 3) == draw("physics", 3) != draw("physics", 4)


def test_nothing_varies_unless_asked() -> None:
    task = hand()
    assert vary(task, EvaluationConfig().variation) is task


def test_physics_changes_the_motion_and_not_the_start(make) -> None:
    plain, varied = make(), vary(make(), "physics")
    departed = []
    for seed in SEEDS:
        plain.reset(seed=seed)
        varied.reset(seed=seed)
        np.testing.assert_array_equal(varied.state(), plain.state())
        departed.append(np.abs(play(varied, by_expert(plain, 40))[-1] - plain.state()).max())
    assert min(departed) > 1e-4


def test_a_restored_episode_repeats_bit_for_bit_whatever_world_was_visited_before(make) -> None:
    task = vary(make(), "physics")
    task.reset(seed=3)
    by_expert(task, 20)
    snapshot, here, actions = task.snapshot(), task.state(), random_actions(task, 30)
    first = play(task, actions)
    task.reset(seed=4)
    np.testing.assert_array_equal(task.restore(snapshot)["state"], here)
    np.testing.assert_array_equal(task.snapshot(), snapshot)
    assert np.abs(play(task, actions) - first).max() == 0.0


def test_a_snapshot_goes_on_the_same_in_another_object(make) -> None:
    task = vary(make(), "physics")
    task.reset(seed=5)
    play(task, random_actions(task, 10))
    snapshot, actions = task.snapshot(), random_actions(task, 20)
    twin = vary(make(), "physics")
    twin.restore(snapshot)
    np.testing.assert_array_equal(play(twin, actions), play(task, actions))


def test_the_simulator_plans_in_the_world_that_each_episode_runs_in(make) -> None:
    task = vary(make(), "physics")
    snapshots = []
    for seed in (0, 1):
        task.reset(seed=seed)
        by_expert(task, 10)
        snapshots.append(task.snapshot())
    actions = random_actions(task, 2, 2, 8)
    states, success = task.simulate_batch(np.stack(snapshots), actions)
    np.testing.assert_array_equal(task.snapshot(), snapshots[1])
    np.testing.assert_array_equal(task.states(np.stack(snapshots))[1], task.state())
    for b, n in np.ndindex(2, 2):
        task.restore(snapshots[b])
        for t in range(8):
            *_, info = task.step(actions[b, n, t])
            assert np.abs(task.state().astype(float) - states[b, n, t]).max() <= 1e-9
            assert info["success"] == success[b, n, t]


def test_back_in_the_world_of_training_everything_is_as_it_was() -> None:
    task, plain = hand("stack"), hand("stack")
    vary(task, "physics").reset(seed=1)
    task.vary(TRAIN)
    for one in (task, plain):
        one.reset(seed=2)
    actions = by_expert(plain, 40)
    plain.reset(seed=2)
    np.testing.assert_array_equal(play(task, actions), play(plain, actions))


def test_mass_friction_and_width_are_those_of_the_block_and_inertia_follows() -> None:
    task, plain = hand("push"), hand("push")
    task.vary(TRAIN._replace(friction=0.5, mass=2.0, width=1.1))
    mine, own = task._physics.model, plain._physics.model
    block, hand_body = own.body("block0").id, own.body("hand").id
    assert mine.body_mass[block] == 2.0 * own.body_mass[block] and mine.body_mass[hand_body] == own.body_mass[hand_body]
    np.testing.assert_allclose(mine.geom("block0").size, own.geom("block0").size * [1.1, 1.1, 1.0])
    np.testing.assert_allclose(mine.geom_friction, 0.5 * own.geom_friction)
    # What the compiler derives from masses is what it would have derived from these.
    heavy = hand("push")._physics.model
    heavy.body_mass[block] *= 2.0
    heavy.body_inertia[block] *= 2.0
    mujoco.mj_setConst(heavy, mujoco.MjData(heavy))
    np.testing.assert_allclose(mine.body_invweight0, heavy.body_invweight0, rtol=1e-6)
    np.testing.assert_allclose(mine.dof_invweight0, heavy.dof_invweight0, rtol=1e-6)


def test_things_that_have_grown_meet_where_they_did_not_before() -> None:
    """Corner to corner, outside of the bounds that MuJoCo would have searched in."""
    flat = '<body pos="{} 0 0" euler="0 0 45"><freejoint/><geom type="box" size=".02 .02 .002"/></body>'
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><joint/><geom pos='0 0 1' size='.01'/></body>"
        f"{flat.format(0)}{flat.format(0.06)}</worldbody></mujoco>"
    )
    data, mechanics = mujoco.MjData(model), Mechanics(model, robot=1)
    for width, contacts in ((1.0, False), (1.2, True), (1.0, False)):
        mechanics.take_on(TRAIN._replace(width=width))
        mujoco.mj_forward(model, data)
        assert (data.ncon > 0) == contacts


def hand_at(seed: int) -> HandTask:
    task = hand("push")
    task.reset(seed=seed)
    return task


def test_a_visual_variation_changes_pixels_and_not_the_state() -> None:
    plain, varied = hand("push", "pixels"), vary(hand("push", "pixels"), "visual")
    for seed in SEEDS:
        seen, other = plain.reset(seed=seed)[0]["pixels"], varied.reset(seed=seed)[0]["pixels"]
        assert other.shape == seen.shape and other.dtype == np.uint8
        assert (other != seen).mean() > 0.5
        np.testing.assert_array_equal(play(varied, by_expert(plain, 30)), replayed(seed))


def replayed(seed: int) -> np.ndarray:
    task = hand_at(seed)
    actions = by_expert(task, 30)
    task.reset(seed=seed)
    return play(task, actions)


@pytest.mark.parametrize("factor", list(HELD_OUT["visual"]))
def test_each_visual_factor_shows_alone(factor: str) -> None:
    task = hand("push", "pixels")
    seen = task.reset(seed=0)[0]["pixels"].astype(float)
    low, high = (
        task.vary(TRAIN._replace(**{factor: value}))["pixels"].astype(float)
        for value in (HELD_OUT["visual"][factor][0][0], HELD_OUT["visual"][factor][1][1])
    )
    assert min(np.abs(seen - low).mean(), np.abs(seen - high).mean(), np.abs(low - high).mean()) > 3.0
    if factor == "light":
        assert low.mean() < seen.mean() < high.mean()
    np.testing.assert_array_equal(task.vary(TRAIN)["pixels"], seen)


def test_a_restored_picture_is_the_one_of_its_own_world() -> None:
    task = vary(hand("push", "pixels"), "visual")
    seen, snapshot = task.reset(seed=1)[0]["pixels"], task.snapshot()
    assert np.any(task.reset(seed=2)[0]["pixels"] != seen)
    np.testing.assert_array_equal(task.restore(snapshot)["pixels"], seen)


def test_manifests_of_different_worlds_do_not_mix() -> None:
    plain, physics = hand(), vary(hand(), "physics")
    assert plain.task_spec.settings == {k: v for k, v in physics.task_spec.settings.items() if k != "variation"}
    assert freeze(plain.task_spec, 4).seeds == freeze(physics.task_spec, 4).seeds, "the starts are the same"
    assert freeze(plain.task_spec, 4).hash != freeze(physics.task_spec, 4).hash
    with pytest.raises(UserError, match=r"card.settings.variation.kind is .*'physics'"):
        require_same(freeze(plain.task_spec, 4), freeze(physics.task_spec, 4))


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: EvaluationConfig("visula"), "unknown evaluation.variation 'visula'; did you mean visual"),
        (lambda: vary(hand(), "visual"), "changes pictures, and hand/push shows state; set task.observation=pixels"),
        (
            lambda: vary(GymTask(GymConfig(id="tests.tasks.toy_envs:Line-v0")), "physics"),
            "playing its actions again",
        ),
    ],
)
def test_what_cannot_vary_is_refused_in_a_sentence(refused, message: str) -> None:
    with pytest.raises(UserError, match=message):
        refused()


def test_a_task_that_knows_of_no_factors_says_so() -> None:
    with pytest.raises(UserError, match="does not know how to be varied"):
        vary(PointTask(), "physics")


def test_the_choice_is_an_option_of_the_evaluation() -> None:
    merged = OmegaConf.merge(OmegaConf.structured(EvaluationConfig), {"variation": "physics"})
    assert OmegaConf.to_object(merged) == EvaluationConfig("physics")
