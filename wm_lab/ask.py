"""The lab from Python: what the command line can ask, a script or a notebook asks with the same words."""

from __future__ import annotations

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from wm_lab.errors import UserError
from wm_lab.exercises.exercise import Answer
from wm_lab.main import CONF, run
from wm_lab.mistakes import explain


def ask(*overrides: str) -> Answer:
    """Run one exercise, as `wm-lab <overrides>` does, and return its answer.

    Data, models and episodes come from the same store, and the run keeps a folder of its own, below `outputs`.
    Raises UserError, with the sentence the command would end in, for whatever the caller can mend.

        answer = ask("exercise=imagination", "task=hand/push", "scale=smoke")
        answer.verdicts[0], answer.numbers, answer.tables, answer.figures
    """
    GlobalHydra.instance().clear()  # a notebook may have left one behind
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("config", overrides=list(overrides), return_hydra_config=True)
        with open_dict(config):
            config.hydra.runtime.output_dir = config.hydra.run.dir
            HydraConfig.instance().set_config(config)  # keeps what it needs of it
            del config["hydra"]
        return run(config)
    except Exception as error:
        told = explain(error, [CONF])
        if told is None or isinstance(error, UserError):
            raise
        raise UserError(told) from error
