"""First-pass perfusion on arrays: motion, arterial input, concentration, myocardium, maps.

Series are [frame, y, x], times [s], concentrations [mM]; flows become ml/min/g in ``flow`` and nowhere else.
"""
