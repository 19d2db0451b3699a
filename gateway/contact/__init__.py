"""Contact permits: one number for one call, and only when the call is allowed."""
