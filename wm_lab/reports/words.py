"""What pages say beside their numbers: what a figure shows, how it is read, and what the lab's words mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class Reading(NamedTuple):
    """Words for one kind of figure."""

    seen: str  # for whoever does not see it
    read: str  # how it is read


ERRORS = (
    "Each panel is a variable, its error over imagined steps. The model is worth something where its line lies below "
    "persistence (nothing moves) and the linear model; above the dashed tolerance errors decide success."
)
READINGS: Mapping[str, Reading] = {
    "imagination_planned": Reading(
        "Lines: error of imagination over imagined steps, of the planner's own action sequences.",
        "The same of sequences that the planner chose itself: where its lines lie above those of recorded actions, the "
        "planner leads where the model errs.",
    ),
    "imagination_frames": Reading(
        "Lines: how far imagined pictures are from true ones, over imagined steps.",
        "How far imagined pictures are from the true ones; below persistence, the last picture repeated, is better.",
    ),
    "imagination_contact": Reading(
        "Lines: error of imagination over imagined steps, in windows with contact.",
        f"Windows with contact alone, where models fail first. {ERRORS}",
    ),
    "imagination_free": Reading(
        "Lines: error of imagination over imagined steps, in windows without contact.",
        f"Windows in free motion alone. {ERRORS}",
    ),
    "imagination": Reading("Lines: error of imagination over imagined steps, a panel for each variable.", ERRORS),
    "imagined": Reading(
        "Rows of pictures: the scene as it was and, translucent over it, as the model imagined it.",
        "The solid scene is the truth, the translucent one what the model foretold; where they part, it was wrong.",
    ),
    "filmstrip": Reading(
        "Three rows of pictures: true, imagined, and their difference, a column for each step.",
        "What was to be seen, what the model imagined, and the difference: grey is none. Steps from 1 on are imagined.",
    ),
    "success_latency": Reading(
        "Dots: success of every arm against the milliseconds of one decision.",
        "Up is better, left is quicker: how often each way to act succeeds, and how long it thinks for one action.",
    ),
    "success": Reading(
        "Bars: success of every arm with its interval.",
        "Each bar is one way to act on the same frozen episodes, with its 95 % interval. The expert is the ceiling, "
        "random and noop are the floors; what simulator (the true dynamics) has above mpc, the model loses.",
    ),
    "goals/success": Reading(
        "Bars: success of every arm with its interval.",
        "Each bar is one way to act towards the same goals of recorded episodes, with its 95 % interval. Planning is "
        "worth something where mpc or value lie above gcbc, which reacts, and straight, which looks at nothing.",
    ),
    "integration/success": Reading(
        "Bars: success of every way to join model and policy, with its interval.",
        "Each bar is one way to join them on the same frozen episodes, with its 95 % interval. A joining is worth "
        "something above bc, the clone alone; subgoal_oracle is what the best sub-goals could give.",
    ),
    "nudged": Reading(
        "Dots: success of every arm, undisturbed and with a nudge to each group of its actions.",
        "Two steps of each episode are disturbed, in the actions named below. What an arm loses against its dot on the "
        "left, it does not find its way back from; the expert's show what can be borne at all.",
    ),
    "rounds": Reading(
        "Lines: return of an episode over environment steps, while collecting and in test episodes.",
        "What an episode pays while rounds of data are collected, and in test episodes; upwards is better.",
    ),
    "behaviour": Reading(
        "Lines: returns over training steps, promised by the dream and paid by the task.",
        "What the actor's dream promises beside what the task pays, while it learns: a gap is what the dream makes up.",
    ),
    "policies": Reading(
        "Dots: success of every policy in imagination against its true success, a panel for each world.",
        "Each mark is a policy: to the right as far as it truly succeeds, up as far as it does in imagination. On the "
        "dashed line both agree; marks that rise from left to right are in the right order. The other panels are what "
        "the model has to beat, and the simulator, which must lie on the line.",
    ),
    "augmentation": Reading(
        "Lines: success of clones over the number of real demonstrations, for each kind of added data.",
        "Success over the number of real demonstrations. Synthetic data help where their line lies above that of the "
        "real ones alone and of the controls, such as an untrained model; the true simulator is the ceiling.",
    ),
    "scenes": Reading(
        "Maps of scenes, a column for each representation and a row for each colouring.",
        "Each dot is a scene, near to those that the model finds alike. Colours that form regions say that the latent "
        "tells this apart; compare the other columns. Point at a dot, or reach it with the tab key, for its picture.",
    ),
    "contact_sheet": Reading(
        "A sheet of the scenes' pictures, alike beside alike.",
        "The same scenes as pictures, each near to its place on the last map: neighbours should look alike.",
    ),
    "success against": Reading(
        "Success of every choice, with intervals.",
        "Each mark or line is a choice of this sweep; up is better, with 95 % intervals.",
    ),
    "error of imagination against": Reading(
        "Dots: error of imagination against seconds of training.",
        "Down is better, left is cheaper: how far imagination errs, and how long its model was trained.",
    ),
    "which cheap number": Reading(
        "Dots with intervals: rank correlation of each number of imagination, a row, with each use, a panel.",
        "Right of zero, models with the better number are the better ones in use; in colour where the interval leaves "
        "zero out.",
    ),
}
"""By the beginning of a figure's name, the longest counts; EXERCISE/FIGURE where one is read otherwise there."""

EACH_ARM = "Of every arm one episode that it solved and one that it did not, where there are such. "
PLANS = (
    "Lines are the chosen plan as it was imagined: yellow where the robot is to go, red where what it moves would go."
)
GHOSTS = "Solid is the truth; translucent over it is what the model imagined, having seen nothing of it."

TERMS: Mapping[str, str] = {
    "arm": "one way to act that plays the frozen episodes",
    "expert": "the script that gives the demonstrations; it knows the simulator's state",
    "mpc": "planning in the learned model",
    "mpc_cost": "planning in the learned model with the task's own cost of imagined states",
    "bc": "behaviour cloning: a policy that copies the expert's demonstrations, the clone",
    "local": "planning in the learned model around what the clone proposes",
    "selected": "the clone, or planning around it near or far: whichever solved most validation episodes",
    "greedy": "planning that looks a single step ahead",
    "simulator": "the same planner in the true dynamics with the true cost: what a perfect model would allow",
    "simulator_reward": "the same planner in the true dynamics with the learned reward",
    "noop": "doing nothing",
    "still there": "success in the last step played, a few steps after the first",
    "tcp": "the point between the fingertips",
    "setpoint": "where the controllers of the joints are heading",
    "attribution": "where success is lost from expert to mpc: in the search, the learned cost or the learned dynamics",
    "predicted − realised": "the rewards that the model imagines for a chosen plan, minus the simulator's; above zero "
    "the planner exploits the model's errors",
    "realised return": "the rewards that a chosen plan earned in the simulator; its predicted return is the model's",
    "persistence": "the forecast that nothing moves",
    "σ": "an error in standard deviations of the training data",
    "R²": "how much of a quantity can be read off a representation: 1 all of it, 0 nothing",
    "t-SNE": "a map on which what lies near to one another in many dimensions stays together",
    "[low, high]": "a 95 % interval; n says over how many episodes, and × how many trainings",
    "cannot tell": "the interval leaves the question open",
}
ALWAYS = ("[low, high]",)
SIGNS = {"attribution": "Where success is lost"}
"""Words by which a page talks of a term, where they are others."""


def reading(figure: str, exercise: str = "") -> Reading:
    """Words for a figure of this name in a run of this exercise; its own name where there are none."""
    if (own := READINGS.get(f"{exercise}/{figure}")) is not None:
        return own
    named = figure.replace(" ", "_")
    if fitting := [key for key in READINGS if named.startswith(key.replace(" ", "_"))]:
        return READINGS[max(fitting, key=len)]
    told = figure.replace("_", " ")
    return Reading(told, told)


def terms_in(text: str) -> dict[str, str]:
    """The terms that a page with this text uses, in the order of the legend."""
    return {term: meaning for term, meaning in TERMS.items() if term in ALWAYS or _uses(text, SIGNS.get(term, term))}


def _uses(text: str, term: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(term)}s?(?!\w)", text) is not None
