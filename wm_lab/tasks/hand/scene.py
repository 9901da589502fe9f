"""The MuJoCo scene of the hand family: a table, a free-flying parallel gripper, blocks or a peg, and the goal.

The gripper's six velocity commands drive `intvelocity` actuators: their set-points are integrated inside MuJoCo, in
`act`, so the whole control loop is part of the physics state and a rollout in C needs no Python between its steps.
"""

from __future__ import annotations

SCENE_REVISION = 2  # raise it with any change of the scene: data and results of different scenes do not mix
LOOK_REVISION = 2  # of pictures: raise it where they alone change; data from pixels of different looks do not mix
CONTROL_HZ = 20.0
SUBSTEPS = 10  # of 5 ms each in one control step
MAX_SPEED = 0.6  # m/s, of a full-scale translation command
MAX_TURN = 1.0  # rad/s, of a full-scale rotation command

FINGER_OPEN = 0.045  # m, from the hand's axis to a fully open finger's inner face
HAND_HEIGHT = 0.2  # m, of the hand's origin over the table where its z joint reads zero
TCP_BELOW_HAND = 0.02  # m, from the hand's origin down to the point between the fingertips

BLOCK_HALF = 0.022  # m, half the edge of a block
PEG_HALF = (0.015, 0.05)  # m, half the width and half the height of the peg
HOLE_HALF = 0.019  # m, half the width of the hole: 4 mm of clearance on either side of the peg
WALL_HALF = 0.02  # m, half the thickness and half the height of the walls around the hole

BLOCK_COLORS = (".95 .16 .13 1", ".2 .82 .26 1", ".15 .38 1 1")
DEPTH_CAMERA = "front"
CAMERA = "whole"  # sees wherever the hand can go
LAMP = (-0.7, -1.5, 2.6)  # m, over the viewer's left shoulder: shadows fall beside what throws them
GOAL_RADIUS = 0.024  # m, of the goal's ball in pictures
GOAL_GROUP = 2  # of geoms that show the goal to depth alone: in pictures a marker does


def scene_xml(blocks: int, peg: bool) -> str:
    """MJCF with `blocks` free blocks (at most three), or one peg and its hole where `peg` is set."""
    half = (PEG_HALF[0], PEG_HALF[0], PEG_HALF[1]) if peg else (BLOCK_HALF,) * 3
    bodies = "".join(block_xml(index, BLOCK_COLORS[index], half) for index in range(blocks))
    return gripper_xml(f'<body name="goal" mocap="true">{_hole() if peg else _marker()}</body>', bodies)


def gripper_xml(goals: str, bodies: str) -> str:
    """MJCF of the gripper over its table, with mocap bodies that show what is to be done, and what it works with.

    The contact solver's tolerance is a thousand times MuJoCo's own: it saves a quarter of the time while pushing, and
    the experts succeed as before.
    """
    return f"""
<mujoco model="hand">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{1 / (CONTROL_HZ * SUBSTEPS)}" integrator="implicitfast" cone="elliptic" impratio="10"
          iterations="20" ls_iterations="20" tolerance="1e-5"/>
  <default>
    <geom solref=".01 1"/>
    <default class="finger">
      <geom type="box" size=".012 .006 .035" mass=".05" rgba=".2 .82 .88 1" friction="2 .05 .001" condim="4"/>
    </default>
    <default class="slide"><joint type="slide" damping="5"/></default>
    <default class="turn"><joint type="hinge" damping=".1"/></default>
    <default class="grip"><joint type="slide" range="0 {FINGER_OPEN}" damping="3" armature=".02"/></default>
  </default>
  <worldbody>
    <camera name="{DEPTH_CAMERA}" pos="0 -.62 .6" xyaxes="1 0 0 0 .602 .799" fovy="36"/>
    <camera name="{CAMERA}" pos="0 -2.25 3.054" xyaxes="1 0 0 0 .788 .616" fovy="12"/>
    <geom name="table" type="plane" size=".5 .5 .1" rgba=".35 .39 .46 1" friction="1 .01 .001"/>
    {goals}
    <body name="hand" pos="0 0 {HAND_HEIGHT}" gravcomp="1">
      <joint name="x" class="slide" axis="1 0 0" range="-.3 .3"/>
      <joint name="y" class="slide" axis="0 1 0" range="-.3 .3"/>
      <joint name="z" class="slide" axis="0 0 1" range="-.16 .2"/>
      <joint name="yaw" class="turn" axis="0 0 1" range="-1.6 1.6"/>
      <joint name="pitch" class="turn" axis="0 1 0" range="-.8 .8"/>
      <joint name="roll" class="turn" axis="1 0 0" range="-.8 .8"/>
      <inertial pos="0 0 0" mass="1" diaginertia=".004 .004 .004"/>
      <geom name="palm" type="box" size=".02 .06 .015" pos="0 0 .05" rgba=".96 .96 .96 1"/>
      <body name="left" gravcomp="1">
        <joint name="left" class="grip" axis="0 1 0"/>
        <geom name="left" class="finger" pos="0 .006 0"/>
      </body>
      <body name="right" gravcomp="1">
        <joint name="right" class="grip" axis="0 -1 0"/>
        <geom name="right" class="finger" pos="0 -.006 0"/>
      </body>
    </body>
    {bodies}
  </worldbody>
  <contact><exclude body1="left" body2="right"/></contact>
  <equality><joint joint1="left" joint2="right" solref=".01 1"/></equality>
  <actuator>
    <intvelocity joint="x" kp="800" kv="40" ctrlrange="-1 1" actrange="-.3 .3"/>
    <intvelocity joint="y" kp="800" kv="40" ctrlrange="-1 1" actrange="-.3 .3"/>
    <intvelocity joint="z" kp="800" kv="40" ctrlrange="-1 1" actrange="-.16 .2"/>
    <intvelocity joint="yaw" kp="8" kv=".4" ctrlrange="-1 1" actrange="-1.6 1.6"/>
    <intvelocity joint="pitch" kp="8" kv=".4" ctrlrange="-1 1" actrange="-.8 .8"/>
    <intvelocity joint="roll" kp="8" kv=".4" ctrlrange="-1 1" actrange="-.8 .8"/>
    <position joint="left" kp="400" kv="20" ctrlrange="0 {FINGER_OPEN}" forcerange="-15 15"/>
  </actuator>
</mujoco>"""


def block_xml(index: int, color: str, half: tuple[float, float, float] = (BLOCK_HALF,) * 3) -> str:
    """A free block of so many metres from its centre to its faces."""
    return f"""
    <body name="block{index}">
      <freejoint/>
      <geom name="block{index}" type="box" size="{half[0]} {half[1]} {half[2]}" mass=".08" rgba="{color}"
            friction="1.2 .02 .001" condim="4"/>
    </body>"""


def _marker() -> str:
    """A sphere to look at; it touches nothing."""
    return (
        f'<geom name="goal" type="sphere" size=".02" group="{GOAL_GROUP}" contype="0" conaffinity="0" rgba="1 .4 1 1"/>'
    )


def _hole() -> str:
    """Four walls standing on the table around a square hole."""
    w, t = HOLE_HALF, WALL_HALF
    walls = [(w + t, 0.0, t, w + 2 * t), (-w - t, 0.0, t, w + 2 * t), (0.0, w + t, w, t), (0.0, -w - t, w, t)]
    return "".join(
        f'<geom type="box" pos="{x} {y} {t}" size="{half_x} {half_y} {t}" rgba=".9 .8 .2 1"/>'
        for x, y, half_x, half_y in walls
    )
