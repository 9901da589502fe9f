"""Which columns of a LeRobot folder are the action, the rewards and flags, the cameras and the vectors of the state.

LeRobot's own names are found by themselves; what others call theirs is said with `--map OURS=THEIRS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wm_lab.errors import UserError, unknown
from wm_lab.formats.files import shortened
from wm_lab.formats.lerobot_info import Feature, Info
from wm_lab.formats.lerobot_layout import (
    ACTION,
    BOOKKEEPING,
    CONTACT,
    DONE,
    EPISODE,
    OBSERVATION,
    REWARD,
    SUCCESS,
    TRUNCATED,
    key_of,
)
from wm_lab.formats.observed import STATE

FLAGS = {"reward": REWARD, "success": SUCCESS, "contact": CONTACT, "done": DONE, "truncated": TRUNCATED}
"""{our name: LeRobot's} of what is one number a frame."""

OF_A_FILE = re.compile(r"[\w.\- ]{1,100}")
"""Names that a camera may have here, for a file of the dataset is called by it."""

SPEAK_OF_STATE = re.compile("state|qpos|joint|proprio|position|eef", re.IGNORECASE)


@dataclass
class Columns:
    """Every role, and who plays it."""

    action: list[Feature]  # side by side
    flags: dict[str, Feature]  # of FLAGS, those that were recorded
    cameras: dict[str, Feature]  # {our name: column}
    vectors: dict[str, Feature]  # {our name: column}, in their order in the state
    left: list[str]  # columns that nobody asked for


def choose_columns(info: Info, told: Mapping[str, Sequence[str]]) -> Columns:
    """`told`: {our name: their columns}; UserError, with the option to type, where action or state is not found."""
    features = info.features
    _require_columns(features, told)
    if EPISODE not in features:
        raise UserError(f"{info.folder} lacks the column {EPISODE}, by which its frames are told apart; copy it again")
    action = [features[name] for name in told.get(ACTION, [ACTION]) if name in features]
    flags = {
        role: features[name]
        for role, default in FLAGS.items()
        if (name := told.get(role, [default])[0]) in features and features[name].is_vector
    }
    cameras = _cameras(features, told)
    known = {feature.name for feature in [*action, *flags.values(), *cameras.values()]} | set(BOOKKEEPING)
    vectors = _vectors(features, told, known)
    if not action or not vectors:
        raise _refused(info, action, cameras, {name: f for name, f in features.items() if name not in known})
    for feature in [*action, *vectors.values()]:
        if not feature.is_vector:
            raise UserError(f"the column {feature.name} of {info.folder} is of type {feature.kind}, which is no number")
    known |= {feature.name for feature in vectors.values()}
    return Columns(action, flags, cameras, vectors, [name for name in features if name not in known])


def _require_columns(features: Mapping[str, Feature], told: Mapping[str, Sequence[str]]) -> None:
    """UserError where --map names columns that are not there, or more or other ones than a role takes."""
    for name, columns in told.items():
        for column in columns:
            if column not in features:
                raise unknown(f"column in --map {name}={','.join(columns)}", column, features)
        said = f"--map {name}={','.join(columns)} names"
        if name not in (ACTION, STATE) and len(columns) > 1:
            raise UserError(f"{said} {len(columns)} columns, and {name} is one")
        if len(set(columns)) < len(columns):
            raise UserError(f"{said} a column twice; name each of them once")
        if name in FLAGS and (not features[columns[0]].is_vector or features[columns[0]].size != 1):
            raise UserError(f"{said} a column that is not one number a frame, and {name} is")


def _cameras(features: Mapping[str, Feature], told: Mapping[str, Sequence[str]]) -> dict[str, Feature]:
    named = {columns[0]: name for name, columns in told.items() if name not in (ACTION, STATE, *FLAGS)}
    cameras: dict[str, Feature] = {}
    for feature in features.values():
        name = named.get(feature.name, key_of(feature.name))
        if not feature.is_camera:
            if feature.name in named:
                raise UserError(
                    f"--map {name}={feature.name} names a column of type {feature.kind}, and {name!r} can only be a "
                    f"camera; other names are {ACTION}, {STATE}, {', '.join(FLAGS)}"
                )
            continue
        if not OF_A_FILE.fullmatch(name) or name in cameras:
            raise UserError(
                f"the camera {shortened(feature.name)} needs another name, for {shortened(name)!r} is "
                f"{'taken' if name in cameras else 'no name of a file'}; give it one with --map NAME={feature.name}"
            )
        cameras[name] = feature
    return cameras


def _vectors(features: Mapping[str, Feature], told: Mapping[str, Sequence[str]], known: set[str]) -> dict[str, Feature]:
    names = told.get(STATE) or [
        name for name, f in features.items() if name.startswith(OBSERVATION) and f.is_vector and name not in known
    ]
    vectors: dict[str, Feature] = {}
    for name in names:
        vectors[name if key_of(name) in vectors else key_of(name)] = features[name]
    return vectors


def _refused(
    info: Info, action: list[Feature], cameras: Mapping[str, Feature], rest: Mapping[str, Feature]
) -> UserError:
    """What was found, and what to type."""
    numbers = {name: feature for name, feature in rest.items() if feature.is_vector}
    actions = [name for name in numbers if "action" in name]
    states = [name for name in numbers if name not in actions and SPEAK_OF_STATE.search(name)]
    if any(name.startswith(OBSERVATION) for name in numbers):
        states = []  # these are found by themselves
    options = [f"{ACTION}={','.join(actions) or 'COLUMN'}"] if not action else []
    options += [f"{STATE}={','.join(states) or 'COLUMN'}"] if states or not any(map(_is_observation, numbers)) else []
    found = ", ".join(f"{name} {feature.facts.get('shape')}" for name, feature in numbers.items()) or "none"
    seen = ", ".join(feature.name for feature in cameras.values()) or "none"
    lacking = " and ".join(
        ([f"a column {ACTION}"] if not action else []) + (["columns observation.…"] if action or states else [])
    )
    return UserError(
        f"{info.folder} lacks {lacking}; its columns of numbers: {shortened(found)}; its cameras: {shortened(seen)}; "
        f"say which is what: --map {shortened(' '.join(options))}"
    )


def _is_observation(name: str) -> bool:
    return name.startswith(OBSERVATION)
