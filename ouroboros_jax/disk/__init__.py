"""A run's folder.

rundir        where its files are, who may write them
manifest      run.json: what tells a run from others
store         generations by the segment, in memory or on disk
dataset       metrics.nc, through xarray
sample_files  samples as .npz, .csv, pictures or text
"""
