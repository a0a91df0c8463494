"""Measurements against peers: ``./onemap bench``."""
