"""Does a GPU's precision hold? `python scripts/check_gpu.py [--models rssm,latent_mlp]` says it within five minutes.

Trains each model on hand/reach in bfloat16 and in float32, plans with both, and prints the success of either. Exit code
1 where planning in bfloat16 solves much less; a training that fails ends the script.
"""

import argparse
import sys
import tempfile
import time

from wm_lab import ask

MODELS = "rssm,rssm_categorical,latent_mlp,mdn_rnn,video_token,decoder_only,video_diffusion,jepa"
EPISODES = 24
MUCH = 0.3  # of success; 24 episodes tell no less


def main() -> int:
    parser = argparse.ArgumentParser(prog="check_gpu.py", description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--steps", type=int, default=400, help="of each training")
    chosen = parser.parse_args()
    wrong = 0
    print(f"{'model':<20}{'precision':<12}{'success':>8}{'seconds':>9}")
    with tempfile.TemporaryDirectory() as outputs:
        for model in chosen.models.split(","):
            found = {}
            for precision in ("float32", "bfloat16"):
                began = time.monotonic()
                found[precision] = success(model, precision, chosen.device, chosen.steps, outputs)
                print(f"{model:<20}{precision:<12}{found[precision]:>8.2f}{time.monotonic() - began:>9.0f}", flush=True)
            wrong += not found["bfloat16"] >= found["float32"] - MUCH
    print("bfloat16 plans as float32 does" if not wrong else f"{wrong} models plan much worse in bfloat16")
    return int(wrong > 0)


def success(model: str, precision: str, device: str, steps: int, outputs: str) -> float:
    """Share of episodes that planning solves with this model, trained in this precision."""
    answer = ask(
        "exercise=planning_brief",
        "task=hand/reach",
        f"model={model}",
        f"device={device}",
        f"trainer.precision={precision}",
        f"trainer.steps={steps}",
        "seeds=1",
        "exercise.clone=false",
        f"exercise.episodes={EPISODES}",
        "data.episodes=200",
        "tracking=disabled",
        f"outputs={outputs}",
    )
    (played,) = answer.outcomes["mpc"]
    return float(played.success.mean())


if __name__ == "__main__":
    sys.exit(main())
