"""Does a device compute what the CPU computes? `python3 scripts/device_check.py` says it, with PyTorch alone.

Every family learns a few steps of a small world, from its state and from pictures of it, in float32 and in bfloat16.
Then the device and the CPU are asked the same: the loss under the same noise, an imagination, the same one step by
step, and a plan. Exit code 1 where they differ by more than the tolerances; the last line is the table as JSON.
"""

import argparse
import copy
import json
import statistics
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from torch.overrides import TorchFunctionMode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this machine need not have the lab installed

from wm_lab.models.decoder_only import DecoderOnly
from wm_lab.models.jepa import JEPA
from wm_lab.models.latent_mlp import LatentMLP
from wm_lab.models.mdn_rnn import MDNRNN
from wm_lab.models.rssm import RSSM
from wm_lab.models.video_diffusion import VideoDiffusion
from wm_lab.models.video_token import VideoToken
from wm_lab.objectives import Objective, model_score, predicted_reward
from wm_lab.planners.cem import CEM, CEMConfig
from wm_lab.world_model import DataSpec, Windows

FAMILIES = {
    "latent_mlp": (LatentMLP, {}),
    "mdn_rnn": (MDNRNN, {}),
    "rssm": (RSSM, {}),
    "rssm_categorical": (RSSM, {"latent": "categorical", "dynamics_scale": 1.0, "representation_scale": 0.1}),
    "video_token": (VideoToken, {}),
    "decoder_only": (DecoderOnly, {}),
    "video_diffusion": (VideoDiffusion, {}),
    "jepa": (JEPA, {}),
}
EPISODES, STEPS, SIDE = 64, 24, 64
BATCH = {"states": (64, 16), "pixels": (16, 8)}  # windows, and steps of each
CONTEXT, HORIZON, CANDIDATES = 4, 8, 16
TOLERANCE = {"loss": 1e-3, "imagine": 1e-3, "step": 1e-3, "plan": 1e-2, "loss_bfloat16": 0.1}
"""Largest relative differences: of a loss, of imagined features (by their spread), of a plan's score (likewise)."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="device_check.py", description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, mps or cpu")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--observations", default="states,pixels")
    parser.add_argument("--steps", type=int, default=20, help="of each training")
    parser.add_argument("--seconds", type=float, default=165, help="after which nothing more is begun")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    chosen = parser.parse_args()
    began, rows = time.monotonic(), []
    machine = {"device": chosen.device, "name": name_of(chosen.device), "torch": torch.__version__}
    print(f"{machine['name']}, PyTorch {machine['torch']}, CPU threads {torch.get_num_threads()}", flush=True)
    print(HEADER)
    for observation in chosen.observations.split(","):
        for family in chosen.families.split(","):
            if time.monotonic() - began > chosen.seconds:
                row = {"family": family, "sees": observation, "error": "not reached in the time given"}
            else:
                row = tried(family, observation, chosen.device, chosen.steps)
            rows.append(row)
            print(line(row), flush=True)
    wrong = [f"{row['family']} from {row['sees']}" for row in rows if row.get("error") or row["beyond"]]
    print(f"differ or failed: {', '.join(wrong)}" if wrong else f"{chosen.device} computes what the CPU computes")
    report = json.dumps({**machine, "tolerance": TOLERANCE, "seconds": time.monotonic() - began, "rows": rows})
    if chosen.json:
        chosen.json.write_text(report)
    print(report)
    return int(bool(wrong))


HEADER = (
    f"{'family':<17}{'sees':<8}{'loss':>9}{'imagine':>9}{'TF32':>9}{'step':>9}{'plan':>9}{'bf16':>9}"
    f"{'ms f32':>8}{'ms bf16':>8}{'ms plan':>8}{'CPU':>8}  says"
)
"""Relative differences from the CPU; milliseconds of a training step in both precisions, and of a plan on both."""


def line(row: dict) -> str:
    if "error" in row:
        return f"{row['family']:<17}{row['sees']:<8}{row['error']}"
    gaps = "".join(f"{row[name]:>9.1e}" for name in ("loss", "imagine", "tf32", "step", "plan", "loss_bfloat16"))
    times = "".join(f"{row[name]:>8.1f}" for name in ("float32_ms", "bfloat16_ms", "plan_ms", "cpu_plan_ms"))
    return f"{row['family']:<17}{row['sees']:<8}{gaps}{times}  {', '.join(row['beyond']) or 'same'}"


def tried(family: str, observation: str, device: str, steps: int) -> dict:
    """One row; what is raised stands in it, and the others go on."""
    try:
        return check(family, observation, torch.device(device), steps)
    except Exception as error:
        return {"family": family, "sees": observation, "error": f"{type(error).__name__}: {error}".splitlines()[0]}


def check(family: str, observation: str, device: torch.device, steps: int) -> dict:
    """Train on the device in both precisions, then compare with a copy on the CPU."""
    kind, options = FAMILIES[family]
    spec, data = world(observation)
    torch.manual_seed(0)
    fresh = kind(kind.Config(**options), spec)
    exactly(True)
    model, float32_ms = trained(copy.deepcopy(fresh), data, observation, device, steps, "float32")
    low, bfloat16_ms = trained(copy.deepcopy(fresh), data, observation, device, steps, "bfloat16")
    reference, part = copy.deepcopy(model).to("cpu"), batch(data, observation, 0)
    losses = [loss_of(each.to(device), part, device) for each in (fresh, model, low)]
    row = {
        "family": family,
        "sees": observation,
        "loss": relative(loss_of(model, part, device), loss_of(reference, part, torch.device("cpu"))),
        "loss_bfloat16": relative(loss_of(model, part, device, "bfloat16"), loss_of(model, part, device)),
        "losses": losses,  # of the same windows: untrained, trained in float32, trained in bfloat16
        "float32_ms": float32_ms,
        "bfloat16_ms": bfloat16_ms,
        **compared(model.eval(), reference.eval(), data, device),
    }
    beyond = [name for name, most in TOLERANCE.items() if not row[name] <= most]
    return {**row, "beyond": beyond + ([] if max(losses[1:]) < losses[0] else ["loss did not fall"])}


@torch.inference_mode()
def compared(model, reference, data: Windows, device: torch.device) -> dict:
    """Imagination, steps and plan of the model on its device, against the same on the CPU."""
    context = data[:2, :CONTEXT]
    actions = torch.rand(2, CANDIDATES, HORIZON, data.action.shape[-1], generator=seeded(1)) * 2 - 1
    expected = reference.imagine(reference.encode(context), actions)
    belief = model.encode(context.to(device))
    imagined = model.imagine(belief, actions.to(device))
    _, stepped = model.advance(belief.expand(CANDIDATES), actions.flatten(0, 1).to(device))
    exactly(False)
    usual = model.imagine(model.encode(context.to(device)), actions.to(device))
    exactly(True)
    spread = float(reference_score(reference, context, actions).std())
    plan, plan_ms = planned(model, context, device)
    reference_plan, cpu_plan_ms = planned(reference, context, torch.device("cpu"))
    return {
        "imagine": max(gap(imagined.features, expected.features), gap(imagined.reward, expected.reward)),
        "tf32": gap(usual.features, expected.features),
        "step": gap(stepped.features[:, 0].unflatten(0, (2, CANDIDATES)), expected.features),
        "plan": float((plan.score.cpu() - reference_plan.score).abs().max()) / spread,
        "plan_actions": float((plan.actions.cpu() - reference_plan.actions).abs().max()),
        "plan_ms": plan_ms,
        "cpu_plan_ms": cpu_plan_ms,
    }


def reference_score(reference, context: Windows, actions: torch.Tensor) -> torch.Tensor:
    """[B, N]; how far random candidates lie apart is the measure of a difference between two plans."""
    return model_score(reference, Objective([(1.0, predicted_reward)]), reference.encode(context))(actions)


def planned(model, context: Windows, device: torch.device) -> tuple:
    """A plan by the cross-entropy method, and its milliseconds; on a device, when it was found for the second time."""
    config = CEMConfig(horizon=HORIZON, candidates=64, iterations=3, elites=8)
    search = CEM(config, context.action.shape[-1]).to(device)
    belief = model.encode(context.to(device))
    score = model_score(model, Objective([(1.0, predicted_reward)]), belief)
    for _ in range(1 if device.type == "cpu" else 2):
        began = time.monotonic()
        plan = search.plan(score, [seeded(2), seeded(3)])
        finish(device)
        milliseconds = 1e3 * (time.monotonic() - began)
    return plan, milliseconds


def trained(model, data: Windows, observation: str, device: torch.device, steps: int, precision: str) -> tuple:
    """The model after a few steps of AdamW, and the median milliseconds of a step."""
    model = model.to(device).train()
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3, foreach=True)
    torch.manual_seed(0)
    times = []
    for step in range(steps):
        part = batch(data, observation, step).to(device)
        finish(device)
        began = time.monotonic()
        with autocast(device, precision):
            loss, _ = model.loss(part)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 100.0)
        optimiser.step()
        finish(device)
        times.append(1e3 * (time.monotonic() - began))
    return model, statistics.median(times[1:] or times)


def loss_of(model, part: Windows, device: torch.device, precision: str = "float32") -> float:
    with torch.no_grad(), SameNoise(), autocast(device, precision):
        return float(model.loss(part.to(device))[0])


class SameNoise(TorchFunctionMode):
    """Whatever is drawn inside is drawn on the CPU, so that every device computes with the same noise."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = seeded(4)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in (torch.randn_like, torch.rand_like):
            draw = torch.randn if func is torch.randn_like else torch.rand
            return draw(args[0].shape, generator=self.generator).to(args[0])
        if func in (torch.randn, torch.rand, torch.randint, torch.randperm) and "generator" not in kwargs:
            device = kwargs.pop("device", "cpu")
            return func(*args, generator=self.generator, **kwargs).to(device)
        return func(*args, **kwargs)


def world(observation: str) -> tuple[DataSpec, Windows]:
    """A point that actions push about, and a goal: what a model must know of such data, and 64 episodes of it."""
    draw = seeded(0)
    place, goal = (1.6 * torch.rand(2, EPISODES, 2, generator=draw) - 0.8).unbind(0)
    speed, action = torch.zeros(EPISODES, 2), torch.zeros(EPISODES, 2)
    states, actions = [], []
    for _ in range(STEPS):
        actions.append(action)
        speed = 0.8 * speed + 0.05 * action
        place = (place + speed).clamp(-1, 1)
        states.append(torch.cat([place, speed, goal], -1))
        action = (action + 0.7 * torch.randn(EPISODES, 2, generator=draw)).clamp(-1, 1)
    state, action = torch.stack(states, 1), torch.stack(actions, 1)
    seen = {"state": state} if observation == "states" else {"pixels": pictures(state), "proprio": state[..., :4]}
    first = torch.zeros(EPISODES, STEPS, dtype=torch.bool)
    first[:, 0] = True
    reward = -(state[..., :2] - state[..., 4:]).norm(dim=-1) * ~first
    data = Windows(seen, action, reward, first, torch.zeros_like(first), torch.ones_like(first))
    return spec_of(data), data


def pictures(state: torch.Tensor) -> torch.Tensor:
    """[B, T, 64, 64, 3] uint8: the point white, the goal green."""
    grid = torch.linspace(-1, 1, SIDE)

    def square(centre: torch.Tensor) -> torch.Tensor:
        near = (grid - centre[..., None]).abs() < 0.15  # [B, T, 2, SIDE]
        return near[..., 0, None, :] & near[..., 1, :, None]

    hand, goal = square(state[..., :2]), square(state[..., 4:])
    return (255 * torch.stack([hand, hand | goal, hand], -1)).to(torch.uint8)


def spec_of(data: Windows) -> DataSpec:
    mean, std = {"reward": [float(data.reward.mean())]}, {"reward": [float(data.reward.std())]}
    change, linear = {}, {}
    for key, value in data.observation.items():
        flat = value.float().flatten(0, 1).flatten(1)
        mean[key] = flat.mean(0).tolist()
        std[key] = [float(flat.std())] if value.dtype is torch.uint8 else flat.std(0).clamp_min(1e-3).tolist()
        if value.dtype is not torch.uint8:
            change[key] = value.diff(dim=1).flatten(0, 1).std(0).clamp_min(1e-4).tolist()
            ones = torch.ones(EPISODES, STEPS - 1, 1)
            inputs = torch.cat([value[:, :-1], data.action[:, 1:], ones], -1).flatten(0, 1).double()
            ridge = 1e-3 * torch.eye(inputs.shape[-1], dtype=torch.double)
            cross = inputs.T @ value.diff(dim=1).flatten(0, 1).double()
            linear[key] = torch.linalg.solve(inputs.T @ inputs + ridge, cross).tolist()
    shapes = {key: tuple(value.shape[2:]) for key, value in data.observation.items()}
    return DataSpec(shapes, data.action.shape[-1], mean, std, change, linear)


def batch(data: Windows, observation: str, step: int) -> Windows:
    """Windows of a few episodes; each begins where its episode does."""
    size, length = BATCH[observation]
    return data[torch.randint(EPISODES, (size,), generator=seeded(100 + step)), :length]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gap(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Root mean square of the difference, by the spread of what was expected."""
    found, expected = found.float().cpu(), expected.float()
    return float((found - expected).square().mean().sqrt() / expected.std().clamp_min(1e-6))


def relative(found: float, expected: float) -> float:
    return abs(found - expected) / max(abs(expected), 1e-6)


def autocast(device: torch.device, precision: str):
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def exactly(exact: bool) -> None:
    """Whether convolutions compute in full float32; PyTorch's own choice on CUDA is TF32."""
    torch.backends.cudnn.allow_tf32 = not exact


def finish(device: torch.device) -> None:
    """Wait until what was begun on the device is done."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def name_of(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


if __name__ == "__main__":
    sys.exit(main())
