"""A run's folder: who may write it, its stored generations, and its metrics as `metrics.nc`."""
