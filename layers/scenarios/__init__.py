"""Scenarios: edits of a run, computed, stored with what they were made from, shown as tiles."""
