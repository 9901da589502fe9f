"""`wm-lab play`: a page on which a person drives the simulator beside what a world model imagines."""
