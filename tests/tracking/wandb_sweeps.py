"""The stand-in server's sweeps: one sweep, whose grid it hands to an agent, a run at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import yaml

from tests.tracking.wandb_server import WandbServer, project_of

SWEEP = "sweep1"


class SweepServer(WandbServer):
    """`sweep` is the configuration that `wandb sweep` sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sweep: dict[str, Any] = {}
        self._left: list[dict[str, Any]] = []

    def operations(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        return super().operations() | {
            "UpsertSweep": self._begin,
            "SweepWithRuns": lambda sent: {"project": {"sweep": self._whole()}},
            "GetSweepState": lambda sent: {"project": {"sweep": {"state": "RUNNING"}}},
            "CreateAgent": lambda sent: {"createAgent": {"agent": {"id": "agent1"}}},
            "Heartbeat": self._heartbeat,
        }

    def _begin(self, sent: dict[str, Any]) -> dict[str, Any]:
        self.sweep = yaml.safe_load(sent["config"])
        options = {name: p["values"] if "values" in p else [p["value"]] for name, p in self.sweep["parameters"].items()}
        self._left = [dict(zip(options, values, strict=True)) for values in product(*options.values())]
        found = {"name": SWEEP, "project": project_of({"project": sent.get("projectName")})}
        return {"upsertSweep": {"sweep": found, "configValidationWarnings": []}}

    def _whole(self) -> dict[str, Any]:
        return {"id": "1", "name": SWEEP, "state": "RUNNING", "config": yaml.dump(self.sweep), "runs": {"edges": []}}

    def _heartbeat(self, sent: dict[str, Any]) -> dict[str, Any]:
        busy = any(json.loads(sent.get("runState") or "{}").values())
        commands = [] if busy else [self._next() if self._left else {"type": "exit"}]
        return {"agentHeartbeat": {"agent": {"id": "agent1"}, "commands": json.dumps(commands)}}

    def _next(self) -> dict[str, Any]:
        chosen = self._left.pop(0)
        return {
            "type": "run",
            "run_id": f"agentrun{len(self._left)}",
            "program": self.sweep["program"],
            "args": {name: {"value": value} for name, value in chosen.items()},
        }
