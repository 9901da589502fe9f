"""What was trained, for whoever uses it: a finished run in three lines, one robot, a loop at a fixed rate."""
