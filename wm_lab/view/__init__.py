"""Episodes and imaginations for the viewer of Rerun, which robot people know."""
