"""What a child process writes to its pipe once it can be used."""

READY = b"r"
