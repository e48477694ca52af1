"""Packages for Siemens Open Recon: a label of a chain's declared parameters, its rules, the archive."""
