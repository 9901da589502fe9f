"""Reads a recording with Rerun's own reader."""

from __future__ import annotations

from pathlib import Path

from tests.extras import need


def read(path: Path) -> dict[str, dict[int, list]]:
    """{entity and component: {step: values}}"""
    chunk = need("rerun.chunk", "view")
    found: dict[str, dict[int, list]] = {}
    for each in chunk.RrdReader(path).stream().collect().stream():
        batch = each.to_record_batch()
        if "step" not in batch.schema.names:
            continue
        steps = batch.column("step").cast("int64").to_pylist()
        for name in batch.schema.names:
            if ":" in name:
                values = zip(steps, batch.column(name).to_pylist(), strict=True)
                found.setdefault(f"{each.entity_path} {name}", {}).update(values)
    return found
