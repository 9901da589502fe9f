"""exercise=collect: what is collected is found by later runs, and a killed one goes on."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.data.toy import PointConfig, PointTask
from tests.exercises.point_world import PointExperiment, settings
from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.exercises.collect import CollectConfig, CollectExercise
from wm_lab.experiment.experiment import Experiment


@dataclass
class MortalConfig(PointConfig):
    fuse: str = ""  # a file: where it is, the worker dies in the episode of seed 20 and takes the file along


class MortalTask(PointTask):
    Config = MortalConfig

    def reset(self, *, seed=None, options=None):
        if seed == 20 and self.config.fuse and os.path.exists(self.config.fuse):  # noqa: PTH110
            os.unlink(self.config.fuse)  # noqa: PTH108
            os.kill(os.getpid(), signal.SIGKILL)
        return super().reset(seed=seed, options=options)


def collected(experiment):
    exercise = CollectExercise(CollectConfig(demonstrations=True))
    exercise.check(experiment)
    return exercise.run(experiment)


def test_every_episode_is_counted_by_its_behaviour_and_found_again(tmp_path):
    with PointExperiment(settings(tmp_path)) as experiment:
        answer = collected(experiment)
        (folder,) = answer.numbers["data"]["folders"]
        data = Dataset.open(folder)
        names, counts = np.unique(data.table.behaviour, return_counts=True)
        assert answer.numbers["data"]["behaviours"] == {
            f"{name} in round 0": count for name, count in zip(names.tolist(), counts.tolist(), strict=True)
        }
        solved = np.mean([data.episode(e).solved for e in range(40)])
        assert answer.numbers["data"]["solved"] == pytest.approx(solved)
        assert answer.numbers["demonstrations"]["episodes"] == 2
        assert answer.verdicts[0].startswith("data: 40 episodes of toy/point with 800 steps")
    with PointExperiment(settings(tmp_path)) as again:
        collected(again)
        assert "collection" not in again.tools.seconds, "nothing is collected twice"


@pytest.mark.slow
def test_a_killed_worker_loses_only_the_groups_that_were_playing(tmp_path):
    fuse = tmp_path / "fuse"
    fuse.touch()
    task = {"_target_": "tests.exercises.test_collect_exercise.MortalTask", "fuse": str(fuse)}
    mortal = replace(settings(tmp_path / "store"), task=task, workers=2, data={"episodes": 96})
    sentence = r"killed by SIGKILL\) while busy with the episodes with seeds 16 to 31"
    with Experiment(mortal) as experiment, pytest.raises(UserError, match=sentence):
        experiment.data.dataset()
    kept = {path.name for path in (tmp_path / "store/dataset").glob(".building-*/groups/*.npz")}
    assert "000001.npz" not in kept
    with Experiment(mortal) as experiment:
        resumed = experiment.data.dataset()
    with Experiment(replace(mortal, store=tmp_path / "other", workers=1)) as experiment:
        assert experiment.data.dataset().digest == resumed.digest, "to the byte what an undisturbed collection gives"


def test_a_recording_is_collected_already(tmp_path):
    experiment = PointExperiment(replace(settings(tmp_path), data={"path": str(tmp_path)}))
    with pytest.raises(UserError, match="is collected already"):
        CollectExercise(CollectConfig()).check(experiment)
