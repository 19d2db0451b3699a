"""Running it: one supervisor, worker processes for each listener, one publisher of the log."""
