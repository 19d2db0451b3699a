"""What auditors and the security team ask of the log. Each question is itself an entry."""
