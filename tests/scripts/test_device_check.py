"""The check of a device agrees with itself on the CPU, and says so where a device computes something else."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys

import torch

from tests.entry.command import ROOT

SCRIPT = ROOT / "scripts" / "device_check.py"
SMALL = ["--device", "cpu", "--families", "latent_mlp", "--observations", "states", "--steps", "3"]


def test_the_cpu_computes_what_the_cpu_computes_in_a_python_with_pytorch_alone():
    blocked = "import sys; sys.modules.update(dict.fromkeys(('omegaconf', 'gymnasium', 'hydra', 'mujoco')))"
    program = (
        f"{blocked}; import runpy; sys.argv = {[str(SCRIPT), *SMALL]}; runpy.run_path(sys.argv[0], None, '__main__')"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (row,) = json.loads(run.stdout.splitlines()[-1])["rows"]
    assert row["imagine"] == row["loss"] == 0 and row["beyond"] == []


def test_a_device_that_imagines_something_else_is_told(monkeypatch, capsys):
    check = runpy.run_path(str(SCRIPT))
    real = check["LatentMLP"].imagine

    def odd(self, state, actions):
        found = real(self, state, actions)
        return found._replace(features=found.features + 0.1 * torch.randn_like(found.features))

    monkeypatch.setattr(check["LatentMLP"], "imagine", odd)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *SMALL])
    assert check["main"]() == 1
    assert "imagine" in capsys.readouterr().out.splitlines()[2]
