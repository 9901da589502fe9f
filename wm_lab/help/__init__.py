"""What the command says of itself: choices and options, on the terminal and as a page of the docs."""
