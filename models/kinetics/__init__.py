"""Tracer kinetics: what tissue holds when blood with contrast agent flows through it, and the fit of that.

Inside this package flows and permeabilities are per second and volume of tissue [1/s], volumes are fractions,
concentrations are in mM. Haematocrit, density and ml/min/g belong to the report.
"""
