"""Runs at rest: what one is asked, its figures stored, read, replayed and brought up to date."""
