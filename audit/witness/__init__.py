"""A witness (C2SP tlog-witness): cosigns a log's checkpoints for as long as it only grows."""
