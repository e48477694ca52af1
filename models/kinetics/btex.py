"""Blood-tissue exchange along a capillary: plug flow through plasma beside a stagnant interstitium.

Source: Sangren and Sheppard, Bull Math Biophys 15 (1953) 387 (closed form without axial diffusion); as used
for myocardial perfusion by Kellman et al., JCMR 19 (2017) 43 and Xue et al., MRM 83 (2020) 712.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from models.kinetics.compartments import step_ramp
from models.kinetics.quadrature import repeated
from models.kinetics.response import columns


@dataclass(frozen=True)
class Btex:
    """Two regions, one capillary.

    With Tc = vp / F, tau = t - Tc, k = PS / ve and a = PS^2 / (F ve) what leaves the capillary after an
    impulse is h = exp(-PS / F) delta(tau) + exp(-PS / F - k tau) sqrt(a / tau) I1(2 sqrt(a tau)), and the
    tissue holds F (1 - int h).
    """

    names: ClassVar[tuple[str, ...]] = ("flow", "ps", "vp", "ve")

    def ramp(self, parameters: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """See ``Model.ramp``; parameters plasma flow [1/s], PS [1/s], vp and ve."""
        flow, ps, vp, _ = columns(parameters)
        later = (times - vp / flow).clamp(min=0)
        through = torch.exp(-ps / flow)
        spread = repeated(lambda tau: _spread(parameters, tau), later, order=3)
        return flow * (step_ramp(times) - through * step_ramp(later) - spread)


def _spread(parameters: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
    """The part of h that was in the interstitium; ``tau`` [set, sample, node]."""
    flow, ps, _, ve = (each[..., None] for each in columns(parameters))
    rate = ps.square() / (flow * ve)
    x = 2 * (rate * tau).sqrt()
    bessel = torch.where(x > 1e-6, torch.special.i1e(x) / x.clamp(min=1e-12), torch.full_like(x, 0.5))
    return 2 * rate * bessel * torch.exp(x - ps / flow - ps / ve * tau)
