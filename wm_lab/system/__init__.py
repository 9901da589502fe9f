"""What the machine underneath is asked for: devices, processes, streams, names of files, bytes that came back whole."""
