"""The search for good settings within an honest budget."""
