"""The table's simulator: all blocks there are, absent ones out of sight, and flat zones that nothing collides with."""

from __future__ import annotations

import numpy as np

from wm_lab.tasks.hand.physics import HandPhysics
from wm_lab.tasks.hand.scene import block_xml, gripper_xml
from wm_lab.tasks.table.things import BLOCKS, PARKED, PRESENT, ZONE_RADIUS, ZONES

TABLE_REVISION = 1  # of what lies on the table, beside the hand's own revision of its scene


class TablePhysics(HandPhysics):
    """Zones stand where the numbers of a goal say."""

    def __init__(self) -> None:
        zones = "".join(_zone(number, color.rgba) for number, color in enumerate(ZONES))
        blocks = "".join(block_xml(number, color.rgba) for number, color in enumerate(BLOCKS))
        super().__init__(gripper_xml(zones, blocks), {f"block{number}" for number in range(len(BLOCKS))})

    def _stand(self, goals: np.ndarray) -> np.ndarray:
        places = goals[..., : 2 * len(ZONES)].reshape(*goals.shape[:-1], len(ZONES), 2)
        here = goals[..., PRESENT][..., len(BLOCKS) :, None]
        return np.concatenate([places, PARKED * (here - 1.0)], axis=-1)


def _zone(number: int, color: str) -> str:
    return (
        f'<body name="zone{number}" mocap="true"><geom type="cylinder" size="{ZONE_RADIUS} .0005" contype="0" '
        f'conaffinity="0" rgba="{color}"/></body>'
    )
