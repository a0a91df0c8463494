"""Data at rest: the only package that knows SQL and file formats."""
