"""Notes are analysed when they arrive, so that a release only has to cut."""
