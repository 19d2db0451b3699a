"""Trying it out: a complete sandbox installation, and the demo that tells the story on it."""
