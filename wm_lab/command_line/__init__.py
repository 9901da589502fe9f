"""What is typed and written in YAML, on its way to a configuration; and what was meant by it where that fails."""
