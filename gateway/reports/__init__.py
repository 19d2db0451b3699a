"""Reports of vendors: what is owed when, what was counted, and what was sent."""
