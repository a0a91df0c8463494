"""A run in parts: the study area cut by margins, on this machine or on a Dask cluster."""
