"""What is to be done, in words: a model that is told does what a model that is not cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.models.worlds import SPEC, fit, imagined, make, make_informed, noise_windows, rmse, windows
from wm_lab.errors import UserError
from wm_lab.models.parts.sentences import SentenceEncoder, words
from wm_lab.world_model import DataSpec, Windows

KIND = "decoder_only"
SENTENCES = ["Follow the action.", "Do the opposite of the action."]
TOLD = replace(SPEC, instructions=SENTENCES)


def obedient_world(episodes: int, seed: int, steps: int = 6) -> Windows:
    """x' = x + u under the first instruction, x' = x − u under the second; x does not tell which."""
    generator = torch.Generator().manual_seed(seed)
    action = torch.rand(episodes, steps, 2, generator=generator) * 2 - 1
    asked = torch.randint(2, (episodes, 1), generator=generator).expand(-1, steps)
    moves = torch.where(asked[..., None] == 0, action, -action)
    moves[:, 0] = torch.randn(episodes, 2, generator=generator)
    made = windows(moves.cumsum(1), action)
    made.instruction = asked
    return made


def errors(language: bool) -> tuple[float, float]:
    """Of one step foretold after an episode's first observation, told truly and told falsely; in sizes of a move."""
    spec = DataSpec({"state": (2,)}, 2, std_change={"state": [0.6, 0.6]}, instructions=SENTENCES)
    model = make(KIND, spec, units=32, open_loop=0, language=language)
    fit(model, obedient_world(1024, 0), steps=200, batch=64, rate=1e-2)
    held_out = obedient_world(256, 1)[:, :2]
    truth = held_out.observation["state"][:, 1:]
    size = rmse(truth, held_out.observation["state"][:, :1])
    told = rmse(imagined(model, held_out, 1), truth)
    held_out.instruction = 1 - held_out.instruction
    return told / size, rmse(imagined(model, held_out, 1), truth) / size


@pytest.mark.slow
def test_a_model_that_is_told_foresees_what_one_that_is_not_cannot_know():
    told, misled = errors(language=True)
    assert told < 0.15 and misled > 1.5, "told the opposite it expects the opposite"
    unaware, the_same = errors(language=False)
    assert unaware > 0.9 and unaware == the_same, "without language the best guess is not to move"


def test_every_token_and_every_mode_is_told():
    model = make_informed(KIND, TOLD, language=True).eval()
    first, second = noise_windows(), noise_windows()
    second.instruction = torch.ones(3, 7, dtype=torch.long)
    said, other = model.predict(first), model.predict(second)
    for one, two in zip(
        (said.forward["state"], said.video["state"], *said[2:]),
        (other.forward["state"], other.video["state"], *other[2:]),
        strict=True,
    ):
        assert (one != two).flatten(2).any(2).all()
    asleep = make_informed(KIND, TOLD).eval()
    assert torch.equal(asleep.predict(first).inverse, asleep.predict(second).inverse)


def test_the_masks_hold_whatever_was_said():
    model = make_informed(KIND, TOLD, language=True).eval()
    data, changed = noise_windows(), noise_windows()
    data.instruction = changed.instruction = torch.ones(3, 7, dtype=torch.long)
    changed.action[:, 1:] = -0.3
    said, other = model.predict(data), model.predict(changed)
    assert torch.equal(said.policy, other.policy) and torch.equal(said.inverse, other.inverse)


def test_planning_imagines_under_the_instruction_that_was_observed():
    """What is imagined step by step is what one pass over all of it says."""
    model = make_informed(KIND, TOLD, language=True).eval()
    data = noise_windows()
    data.instruction = torch.tensor([[0], [1], [1]]).expand(-1, 7)
    actions = torch.rand(3, 4, 5, 2) * 2 - 1
    with torch.no_grad():
        future = model.decode(model.imagine(model.encode(data), actions))["state"]
        seen = torch.cat([data.observation["state"][:, None].expand(-1, 4, -1, -1), future], 2).flatten(0, 1)
        action = torch.cat([data.action[:, None].expand(-1, 4, -1, -1), actions], 2).flatten(0, 1)
        whole = windows(seen, action)
        whole.instruction = data.instruction[:, :1].repeat_interleave(4, 0).expand(-1, 12)
        again = model.predict(whole).forward["state"][:, 7:].unflatten(0, (3, 4))
    torch.testing.assert_close(again, future, rtol=1e-4, atol=1e-5)


def test_without_a_number_the_first_instruction_holds():
    model = make_informed(KIND, TOLD, language=True).eval()
    data, told = noise_windows(), noise_windows()
    told.instruction = torch.zeros(3, 7, dtype=torch.long)
    assert torch.equal(model.predict(data).inverse, model.predict(told).inverse)


def test_sentences_of_the_same_words_in_another_order_differ():
    assert words("Red on BLUE!") == ["red", "on", "blue"]
    put = [
        "Put the red block on the blue block.",
        "Put the blue block on the red block.",
        "put the RED block on the blue block",
    ]
    one, other, same = SentenceEncoder(put, 8)(torch.tensor([0, 1, 2])).unbind(0)
    assert not torch.allclose(one, other, atol=1e-3) and torch.equal(one, same)


def test_a_sentence_that_nobody_was_told_is_encoded_and_always_alike():
    torch.manual_seed(0)
    told = SentenceEncoder(SENTENCES, 8)
    before = told(torch.tensor([0, 1]))
    new, empty = told.number("Ignore actions."), told.number("")
    found = told(torch.tensor([[0, 1], [new, empty]]))
    torch.testing.assert_close(found[0], before)
    assert found.isfinite().all() and found[1, 0].any() and not found[1, 1].any()
    again = SentenceEncoder([*SENTENCES, "Something else.", "Ignore actions."], 8)
    again.load_state_dict(told.state_dict())
    torch.testing.assert_close(again(torch.tensor(3)), found[1, 0])


def test_words_that_are_spelt_alike_lie_near_one_another():
    torch.manual_seed(0)
    told = SentenceEncoder(["pushing", "pushes", "grasp"], 64)
    one, other, another = torch.nn.functional.embedding_bag(told.grams, told.table, told.starts)[1:].unbind(0)
    near, far = (torch.cosine_similarity(one, word, dim=0) for word in (other, another))
    assert near > far + 0.2


def test_a_model_can_be_told_what_no_data_said():
    model = make_informed(KIND, TOLD, language=True).eval()
    data = noise_windows()
    data.instruction = torch.full((3, 7), model.number("Rather stay."))
    assert model.predict(data).policy.isfinite().all() and model.number(SENTENCES[1]) == 1


def test_a_checkpoint_knows_sentences_by_their_words_not_by_their_numbers():
    model = make_informed(KIND, TOLD, language=True).eval()
    turned = make(KIND, replace(TOLD, instructions=SENTENCES[::-1]), language=True).eval()
    turned.load_state_dict(model.state_dict())
    data, other = noise_windows(), noise_windows()
    other.instruction = torch.ones(3, 7, dtype=torch.long)
    assert torch.equal(model.predict(data).inverse, turned.predict(other).inverse)


@pytest.mark.parametrize("sentences", [[], [""], ["...", ""]])
def test_language_without_a_word_is_refused(sentences):
    with pytest.raises(UserError, match=r"model.language=true needs data that say what is to be done"):
        make(KIND, replace(SPEC, instructions=sentences), language=True)
