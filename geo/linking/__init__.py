"""What links are found with: a raster of street segments, footprints as coordinates, barriers."""
