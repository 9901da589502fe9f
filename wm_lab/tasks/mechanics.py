"""How the physical factors of variation change a MuJoCo model: friction, mass and size, in place."""

from __future__ import annotations

import mujoco
import numpy as np

from wm_lab.tasks.variation import Factors

FRICTION = ("geom_friction", "pair_friction")
MASS = ("body_mass", "body_inertia", "body_subtreemass")
WIDTH = ("geom_size", "geom_rbound", "geom_aabb", "bvh_aabb")
JOINTS = ("dof_damping", "dof_frictionloss", "dof_armature", "dof_invweight0", "body_invweight0")
BOXES, ROUND = (mujoco.mjtGeom.mjGEOM_BOX,), (mujoco.mjtGeom.mjGEOM_CYLINDER,)


class Mechanics:
    """The physics of one model, as it was and as factors make it.

    What is moved is whatever can move and is no part of the robot: blocks, drawers. Where there is no such thing, it is
    the robot itself.
    """

    def __init__(self, model: mujoco.MjModel, robot: int) -> None:
        """robot: id of any body of the robot."""
        self._model = model
        self._own = {name: getattr(model, name).copy() for name in (*FRICTION, *MASS, *WIDTH, *JOINTS)}
        mine = model.body_rootid == model.body_rootid[robot]
        solid = model.body_rootid[model.geom_bodyid[(model.geom_contype | model.geom_conaffinity) > 0]]
        movable = (model.body_weldid != 0) & np.isin(model.body_rootid, solid)  # not a marker of a goal on joints
        self._bodies = movable & ~mine if (movable & ~mine).any() else (model.body_weldid != 0) & mine
        self._dofs = self._bodies[model.dof_bodyid]
        things = (self._bodies & ~mine)[model.geom_bodyid]
        self._boxes = things & np.isin(model.geom_type, BOXES)
        self._round = things & np.isin(model.geom_type, ROUND)

    def take_on(self, factors: Factors) -> None:
        """Make the model what these factors say; those of `TRAIN` make it what it was, to the last bit."""
        for name, values in self._own.items():
            getattr(self._model, name)[:] = values
        self._rub(factors.friction)
        self._weigh(factors.mass)
        self._widen(factors.width)

    def _rub(self, times: float) -> None:
        model = self._model
        # MuJoCo takes the larger friction of two geoms that touch: scaling one of them alone might change nothing.
        model.geom_friction *= times
        model.pair_friction *= times
        model.dof_damping[self._dofs] *= times
        model.dof_frictionloss[self._dofs] *= times

    def _weigh(self, times: float) -> None:
        """Whole trees of bodies are scaled, so what MuJoCo derives from their inertia scales with it exactly."""
        model = self._model
        for name in MASS:
            getattr(model, name)[self._bodies] *= times
        model.dof_armature[self._dofs] *= times
        model.dof_invweight0[self._dofs] /= times
        model.body_invweight0[self._bodies] /= times

    def _widen(self, times: float) -> None:
        model = self._model
        model.geom_size[self._boxes, :2] *= times
        model.geom_size[self._round, :1] *= times
        # Bounds may be too large, never too small.
        changed, most = self._boxes | self._round, max(times, 1.0)
        model.geom_rbound[changed] *= most
        model.geom_aabb[changed, 3:] *= most
        for body in np.unique(model.geom_bodyid[changed]):
            nodes = slice(model.body_bvhadr[body], model.body_bvhadr[body] + model.body_bvhnum[body])
            model.bvh_aabb[nodes, 3:] *= most
