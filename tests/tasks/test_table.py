"""The table: the same start under another command is another task, and everything else is as in the hand family."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wm_lab.errors import UserError
from wm_lab.settings import read_config
from wm_lab.tasks.hand.scene import BLOCK_HALF
from wm_lab.tasks.hand.state import JOINTS, TCP, VELOCITY
from wm_lab.tasks.table import TableConfig, TableTask
from wm_lab.tasks.table.commands import every_command, is_held_out
from wm_lab.tasks.table.grammar import HELD_OUT, NEW_WORDS, NUMBERED, TRAINED, phrasings, sentence
from wm_lab.tasks.table.things import BLOCKS, Command
from wm_lab.tasks.table.verbs import VERBS
from wm_lab.tasks.task import SCENE

VERB_NAMES = list(TableConfig().verbs)


@pytest.fixture(scope="module")
def task() -> TableTask:
    return TableTask(TableConfig())


def solve(task: TableTask, seed: int) -> int | None:
    """Steps until the expert's first success, None without one."""
    task.reset(seed=seed)
    expert = task.expert()
    for step in range(task.task_spec.episode_steps):
        if task.step(expert.act())[4]["success"]:
            return step + 1
    return None


def play(task: TableTask, actions: np.ndarray) -> np.ndarray:
    """States and rewards [H, D + 1] of stepping through actions [H, 7]."""
    return np.array([np.append(task.state(), reward) for reward in (task.step(action)[1] for action in actions)])


@pytest.mark.parametrize("ask", ["own", "other", "contrast", "unseen"])
def test_experts_do_what_is_asked_in_held_out_starts(ask: str) -> None:
    task = TableTask(TableConfig(ask=ask))
    assert all(solve(task, seed) is not None for seed in range(1000, 1008))


def test_a_block_that_was_put_on_another_stays_there_and_its_cost_stays_low() -> None:
    task = TableTask(TableConfig(verbs=["put"]))
    for seed in range(2000, 2006):
        task.reset(seed=seed)
        expert = task.expert()
        told = [task.step(expert.act())[4]["success"] for _ in range(75)]
        at = told.index(True)
        assert at < 60 and all(told[at + 15 :])
        assert task.cost(torch.from_numpy(task.state())) < 0.1


def test_put_asks_for_this_block_on_that_one_and_not_the_other_way_round() -> None:
    task = TableTask(TableConfig(verbs=["put"]))
    for seed in range(6):
        task.reset(seed=seed)
        upper, lower = (task.layout.position(block) for block in (task.asked.object, task.asked.target))
        below = task.state()[lower : lower + 3].copy()
        for on_top, under, right in ((upper, lower, True), (lower, upper, False)):
            tower = task.state().copy()
            tower[under : under + 3], tower[on_top : on_top + 3] = below, below + np.float32([0, 0, 2 * BLOCK_HALF])
            assert task.solved(tower) == right
            tower[on_top : on_top + 2] += np.float32(0.02)  # 28 mm aside
            assert not task.solved(tower)


def test_the_same_start_can_be_asked_for_something_else(task: TableTask) -> None:
    contrast = TableTask(TableConfig(ask="contrast"))
    for seed in range(20):
        task.reset(seed=seed)
        contrast.reset(seed=seed)
        scene = task.layout.scene
        np.testing.assert_array_equal(task.state()[:scene], contrast.state()[:scene])
        mine, other = task.asked, contrast.asked
        assert mine.verb == other.verb and sum(a != b for a, b in zip(mine, other, strict=True)) == 1


def test_doing_another_command_does_not_solve_the_own(task: TableTask) -> None:
    told_otherwise = TableTask(TableConfig(ask="contrast"))
    for seed in range(6):
        assert solve(told_otherwise, seed) is not None
        task.reset(seed=seed)
        asked = task.state()[task.layout.scene :]
        state = np.concatenate([told_otherwise.state()[: task.layout.scene], asked])
        assert not task._met(state.tolist())


def test_a_restored_episode_repeats_bit_for_bit_and_is_told_the_same(task: TableTask) -> None:
    task.reset(seed=4)
    task.retell("contrast")
    expert = task.expert()
    for _ in range(25):
        task.step(expert.act())
    snapshot, told, asked = task.snapshot(), task.instruction, task.asked
    actions = np.random.default_rng(0).uniform(-1, 1, (30, 7)).astype(np.float32)
    first = play(task, actions)
    task.reset(seed=5)
    task.restore(snapshot)
    assert (task.instruction, task.asked) == (told, asked)
    assert np.abs(play(task, actions) - first).max() == 0.0
    twin = TableTask(TableConfig())
    twin.restore(snapshot)
    np.testing.assert_array_equal(play(twin, actions), first)


def test_simulated_futures_are_those_that_stepping_would_bring(task: TableTask) -> None:
    snapshots = []
    for seed in (0, 1, 3):
        task.reset(seed=seed)
        expert = task.expert()
        for _ in range(35):
            task.step(expert.act())
        snapshots.append(task.snapshot())
    actions = np.random.default_rng(0).uniform(-1, 1, (3, 2, 6, 7)).astype(np.float32)
    states, success = task.simulate_batch(np.stack(snapshots), actions)
    slow_states, slow_success = super(type(task).__mro__[1], task).simulate_batch(np.stack(snapshots), actions)
    assert np.abs(states.astype(float) - slow_states).max() <= 1e-9
    np.testing.assert_array_equal(success, slow_success)


def test_the_scene_tells_nothing_of_the_command() -> None:
    seen = TableTask(TableConfig(observation="scene"))
    observation, _ = seen.reset(seed=0)
    other, _ = TableTask(TableConfig(observation="scene", ask="other")).reset(seed=0)
    np.testing.assert_array_equal(observation[SCENE], other[SCENE])
    assert observation[SCENE].shape == (seen.layout.scene,) and len(seen.state()) == seen.layout.size


def test_the_numbers_of_what_is_absent_are_zero(task: TableTask) -> None:
    layout, absent = task.layout, 0
    for seed in range(10):
        task.reset(seed=seed)
        state = task.state()
        present = state[layout.present : layout.scene] > 0.5
        for thing in np.flatnonzero(~present):
            absent += 1
            assert not state[layout.position(thing) : layout.position(thing) + 3].any()
        assert 2 <= present[: len(BLOCKS)].sum() <= 4 and 2 <= present[len(BLOCKS) :].sum() <= 3
    assert absent


def test_costs_fall_from_about_one_to_about_nothing_and_rewards_are_their_negative(task: TableTask) -> None:
    starts, ends = [], []
    for seed in range(9):
        task.reset(seed=seed)
        starts.append(task.cost(torch.from_numpy(task.state())).item())
        assert solve(task, seed) is not None
        ends.append(task.cost(torch.from_numpy(task.state())).item())
        reward = task.step(np.zeros(7, np.float32))[1]
        assert reward == pytest.approx(-task.cost(torch.from_numpy(task.state())).item(), abs=1e-6)
    assert 0.5 < np.mean(starts) < 1.5 and max(ends) < 0.3


def test_in_the_goal_state_it_is_done_and_the_hand_rests_there_and_a_ghost_can_stand_so(task: TableTask) -> None:
    for seed in range(12):
        task.reset(seed=seed)
        task.step(np.ones(7, np.float32))
        state = torch.from_numpy(task.state())
        there = task.goal_state(state)
        assert task._met(there.tolist()) and not there[VELOCITY : VELOCITY + JOINTS].any()
        assert task.cost(there) < 0.1 * task.cost(state)
        verb = VERBS[task.kind]
        block, goal = (
            torch.tensor(task.one_block(there.tolist(), verb)[at]) for at in (slice(25, 28), slice(-3, None))
        )
        assert (there[TCP : TCP + 3] - goal).norm() < (0.052 if verb.name == "push" else 1e-5)
        if verb.target is not None:
            torch.testing.assert_close(block, goal)
        np.testing.assert_allclose(task.states(task.snapshot_like(there.numpy())[None])[0], there, atol=1e-5)


@pytest.mark.parametrize("verb", VERB_NAMES)
def test_a_command_is_said_in_at_least_twenty_ways_and_no_two_commands_are_said_alike(verb: str) -> None:
    kinds = [set(phrasings(VERBS[verb], kind)) for kind in (TRAINED, HELD_OUT, NEW_WORDS)]
    assert not kinds[0] & kinds[1] and len(kinds[0]) >= 20 and all(kinds)
    said = [
        sentence(VERBS[name], command, phrasing)
        for number, name in enumerate(VERB_NAMES)
        for command in every_command(VERBS[name], number)
        for phrasing in phrasings(VERBS[name])
    ]
    assert len(set(said)) == len(said)


def test_held_out_words_are_all_known_and_new_ones_are_not() -> None:
    def words(kind: str) -> set[str]:
        return {
            word
            for number, name in enumerate(VERB_NAMES)
            for command in every_command(VERBS[name], number)
            for phrasing in phrasings(VERBS[name], kind)
            for word in sentence(VERBS[name], command, phrasing).lower().strip(".").split()
        }

    assert words(HELD_OUT) <= words(TRAINED) and words(NEW_WORDS) - words(TRAINED)


def test_what_is_held_out_is_never_asked_of_training_episodes(task: TableTask) -> None:
    unseen = TableTask(TableConfig(ask="unseen"))
    for seed in range(60):
        task.reset(seed=seed)
        assert not is_held_out(VERBS[VERB_NAMES[task.asked.verb]], task.asked)
        unseen.reset(seed=seed)
        assert is_held_out(VERBS[VERB_NAMES[unseen.asked.verb]], unseen.asked)
    assert is_held_out(VERBS["push"], Command(1, 1, len(BLOCKS)))  # green to blue


def test_retelling_changes_the_sentence_and_not_the_task(task: TableTask) -> None:
    task.reset(seed=2)
    state, right = task.state().copy(), task.instruction
    for how in ("other", "contrast", "nothing", "held_out", "new_words"):
        task.retell(how)
        assert task.instruction != right
        np.testing.assert_array_equal(task.state(), state)
    task.retell("nothing")
    assert task.instruction == ""
    task.retell("right")
    assert task.instruction == right


def test_goal_distance_is_kept() -> None:
    for verb in VERB_NAMES:
        task = TableTask(TableConfig(verbs=[verb], goal_distance=0.2))
        for seed in range(4):
            task.reset(seed=seed)
            x = task.one_block(task.state(), VERBS[verb])
            here = x[:2] if verb == "reach" else x[25:27]
            assert np.hypot(here[0] - x[-3], here[1] - x[-2]) == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"verbs": ["psuh"]}, "did you mean push"),
        ({"verbs": []}, "must name at least one verb"),
        ({"blocks": [3, 2]}, "task.blocks"),
        ({"blocks": [2, 2], "verbs": ["reach", "put"]}, "leaves put two blocks"),
        ({"zones": [1, 2]}, "task.zones"),
        ({"ask": "unsene"}, "did you mean unseen"),
        ({"verbs": ["reach"], "ask": "unseen"}, "hold no command out"),
        ({"phrasing": "heldout"}, "did you mean held_out"),
        ({"observation": "scne"}, "did you mean scene"),
        ({"goal_distance": 0.05}, "task.goal_distance"),
    ],
)
def test_bad_options_are_refused_by_name(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_config(TableConfig, options, "task")


def test_a_number_says_each_command_and_no_two_alike() -> None:
    said = [
        sentence(VERBS[name], command, NUMBERED)
        for number, name in enumerate(VERB_NAMES)
        for command in every_command(VERBS[name], number)
    ]
    assert len(set(said)) == len(said) and all(word.isdecimal() for word in said)
    numbered = TableTask(TableConfig(phrasing="number"))
    numbered.reset(seed=0)
    right = numbered.instruction
    numbered.retell("other")
    assert {right, numbered.instruction} <= set(said) and right != numbered.instruction


LIFT = """
from wm_lab.tasks.table.verbs.put import Put

class Hoist(Put):
    name, target = "hoist", "zone"
    frames = ("carry {object} over to {target}", "hoist {object} onto {target}")
    held_out = frozenset()

    def goal(self, thing, target):
        return target[0], target[1], target[2] + 0.022
"""


def test_a_verb_of_ones_own_is_one_file(tmp_path, monkeypatch) -> None:
    (tmp_path / "own_verbs.py").write_text(LIFT)
    monkeypatch.syspath_prepend(str(tmp_path))
    task = TableTask(TableConfig(verbs=["reach", "own_verbs:Hoist"]))
    told = []
    for seed in range(8):
        assert solve(task, seed) is not None
        told += [task.instruction] if task.kind == "own_verbs:Hoist" else []
    assert told and all(said.startswith(("Carry the", "Hoist the")) for said in told)
    for wrong, message in (
        ("own_verbs:Drop", "cannot be imported"),
        ("own_verbs:__name__", "no Verb"),
        ("fly", "unknown verb"),
    ):
        with pytest.raises(UserError, match=message):
            TableConfig(verbs=["reach", wrong])


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_blocks_and_zones_that_change_places_make_an_episode_that_is_as_true_and_is_paid_alike(seed: int) -> None:
    """`alike` against the simulator: what is pushed in another's place goes as that one went, but for rounding, which
    contacts make millimetres of."""
    task = TableTask(TableConfig(verbs=["push"], blocks=[4, 4], zones=[3, 3]))
    task.reset(seed=seed)
    expert, start, actions = task.expert(), task.state().astype(np.float64), []
    for _ in range(30):
        actions.append(expert.act())
        task.step(actions[-1])
    source = np.arange(len(start))
    for slots, order in zip(map(np.array, task.task_spec.alike), ([2, 0, 3, 1], [1, 2, 0]), strict=True):
        source[slots.ravel()] = slots[order].ravel()
    played = []
    for begins in (start, start[source]):
        task.restore(task.snapshot_like(begins))
        played.append(play(task, np.array(actions)))
    plain, exchanged = played
    blocks = slice(task.layout.position(0), task.layout.rotation(0))
    there = plain[:, :-1][:, source]
    assert np.abs(exchanged[:, blocks] - there[:, blocks]).max() < 0.01
    assert np.abs(exchanged[-1, blocks] - exchanged[0, blocks]).max() > 0.04, "one of them was pushed"
    still = slice(task.layout.zones, task.layout.size)
    np.testing.assert_array_equal(exchanged[:, still], there[:, still])
    np.testing.assert_allclose(exchanged[:, -1], plain[:, -1], atol=0.05)
