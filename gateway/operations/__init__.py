"""What operators and the security team do; each change is in the log by the same transaction."""
