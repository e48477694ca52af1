"""Between blood and plasma, between flow per volume and flow per mass: each conversion stands here, once."""

DENSITY = 1.05
"""Of myocardium [g/ml]."""

HAEMATOCRIT = 0.42
"""Assumed where nobody measured it; a report has to say so."""


def plasma(blood: float, haematocrit: float) -> float:
    """Concentration in plasma of an agent that does not enter cells: Cp = Cb / (1 - Hct)."""
    return blood / (1 - haematocrit)


def blood_flow_ml_min_g(plasma_flow: float, haematocrit: float) -> float:
    """Myocardial blood flow [ml/min/g] from plasma flow per volume [1/s]: 60 Fp / ((1 - Hct) density)."""
    return 60 * plasma_flow / ((1 - haematocrit) * DENSITY)


def plasma_flow(blood_flow_ml_min_g: float, haematocrit: float) -> float:
    """Plasma flow per volume [1/s] from myocardial blood flow [ml/min/g]."""
    return blood_flow_ml_min_g * DENSITY * (1 - haematocrit) / 60


def permeability_ml_min_g(surface_product: float) -> float:
    """PS [ml/min/g] from PS per volume [1/s]."""
    return 60 * surface_product / DENSITY


def blood_volume_ml_g(plasma_volume: float, haematocrit: float) -> float:
    """Blood volume [ml/g] from the plasma's share of the tissue's volume: Vb = vp / ((1 - Hct) density)."""
    return plasma_volume / ((1 - haematocrit) * DENSITY)
