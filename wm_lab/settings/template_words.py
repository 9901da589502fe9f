"""What the words of lightning-hydra-template, which many have in their fingers, are called here.

A word that exists here, as of somebody's own class, never comes to this table: it answers for what is unknown alone.
"""

from __future__ import annotations

STEPS = "trainer.steps counts gradient steps of a world model, bc_trainer.steps those of a clone"
SMOKE = "scale=smoke runs everything in seconds"
DEVICE = "device=cpu, cuda, mps or auto chooses where it is computed"
SPREAD = "trainer.devices=N shares each batch among N"
VALIDATE = "trainer.validate says how often a training is validated"

CALLED_HERE = {
    "debug": f"{SMOKE}, and HYDRA_FULL_ERROR=1 shows the traceback behind a sentence",
    "logger": "tracking=wandb, tracking=offline or tracking=disabled",
    "ckpt_path": "nothing has to be named: the same command continues from its checkpoint, and what is trained is in "
    "the store below outputs",
    "callbacks": f"the best weights are kept by themselves, and {VALIDATE}",
    "paths": "outputs=FOLDER says where runs and the store are written",
    "extras": "wm-lab --cfg job --resolve shows the configuration",
    "task_name": "tracking.name and tracking.group name a run",
    "tags": "tracking.tags=[a,b]",
    "train": "an exercise trains what it needs and judges it; exercise=NAME chooses one",
    "test": "an exercise trains what it needs and judges it; exercise=NAME chooses one",
    "datamodule": "data=NAME and its options, such as data.episodes",
    "trainer=cpu": DEVICE,
    "trainer=gpu": DEVICE,
    "trainer=mps": DEVICE,
    "trainer=ddp": SPREAD,
    "trainer=ddp_sim": SPREAD,
    "trainer.max_epochs": STEPS,
    "trainer.min_epochs": STEPS,
    "trainer.max_steps": STEPS,
    "trainer.min_steps": STEPS,
    "trainer.accelerator": DEVICE,
    "trainer.strategy": SPREAD,
    "trainer.num_nodes": SPREAD,
    "trainer.gradient_clip_val": "trainer.clip is the largest norm of the gradient",
    "trainer.accumulate_grad_batches": "trainer.batch is how many windows a gradient step sees",
    "trainer.check_val_every_n_epoch": VALIDATE,
    "trainer.val_check_interval": VALIDATE,
    "trainer.fast_dev_run": SMOKE,
    "trainer.limit_train_batches": SMOKE,
    "trainer.limit_val_batches": SMOKE,
    "trainer.limit_test_batches": SMOKE,
    "trainer.overfit_batches": SMOKE,
    "trainer.deterministic": "seed=N repeats a run",
    "trainer.default_root_dir": "outputs=FOLDER says where runs and the store are written",
    "data.batch_size": "trainer.batch is how many windows a gradient step sees",
    "data.num_workers": "workers=N is how many processes collect, train side by side and evaluate",
    "data.data_dir": "data=recorded data.path=FOLDER trains on a recording",
    "data.train_val_test_split": "data.validation_fraction and data.test_fraction",
    "model.optimizer": "trainer.learning_rate and trainer.weight_decay",
    "model.scheduler": "trainer.warmup, trainer.hold and trainer.final_rate",
    "model.net": "wm-lab --help model shows the sizes that a model has",
}


def called_here(word: str) -> str | None:
    """A sentence for a word, or for the longest of its beginnings (`model.optimizer` of `model.optimizer.lr`)."""
    known = word
    while known and known not in CALLED_HERE:
        known = known.rpartition(".")[0]
    return f"{word!r} is a word of lightning-hydra-template; here: {CALLED_HERE[known]}" if known else None
