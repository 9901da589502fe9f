"""Datasets of others: LeRobot, robomimic's HDF5 and Minari as a `Source` of episodes, and ours written as LeRobot's.

Nothing is imported here: each format needs a package of its own, and whoever has only one of them reads that one.
"""
