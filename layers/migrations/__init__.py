"""The history of the tables, run by :mod:`layers.migrate`."""
