"""ISMRMRD HDF5 files: recorded scans, images and the truth of a simulation, read and written in bulk."""
