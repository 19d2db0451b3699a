"""Policies in their versions: proposed, approved by a second person, in force, and over."""
