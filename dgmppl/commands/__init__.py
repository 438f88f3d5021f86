"""What the command `dgmppl` does, one command a file."""
