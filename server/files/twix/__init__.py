"""Siemens raw data (twix, ``.dat``) as ISMRMRD: what ``siemens_to_ismrmrd`` writes, in Python."""
