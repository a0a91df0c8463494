"""Circles: everything within some minutes of a place along the network (isochrones).

`survey` lays out once what circles are drawn from · `near` links a place · `circle` searches, counts and draws ·
`cut`, `raster`, `outline` and `simplify` turn reached parts of ways into nested polygons.
"""
