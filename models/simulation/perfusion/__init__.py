"""First-pass perfusion of the heart: a bolus, flow in sixteen sectors, saturation recovery, breathing."""
