"""Blood-tissue exchange solved cell by cell, with axial diffusion: an independent check of the closed form.

It also makes the data of simulated patients, so that a fit never inverts its own forward model.
"""

from dataclasses import dataclass

import torch

LENGTH = 1e-3
"""Of a capillary [m]; with it, diffusion coefficients mean something."""


@dataclass(frozen=True, kw_only=True)
class Capillary:
    """One capillary and the tissue around it; flow and PS [1/s], vp and ve fractions of the tissue."""

    flow: float
    ps: float
    vp: float
    ve: float
    diffusion: tuple[float, float] = (1e-9, 1e-10)
    """Axial diffusion in plasma and in the interstitium [m^2/s]."""

    cells: int = 100

    def curve(self, arterial: torch.Tensor, step: float) -> torch.Tensor:
        """Tissue concentration [mM], float64 [sample], for an input [mM] every ``step`` s, linear in between.

        dCp/dt = -(F L / vp) dCp/dx + (PS / vp)(Ci - Cp) + Dp d2Cp/dx2,
        dCi/dt = (PS / ve)(Cp - Ci) + Di d2Ci/dx2. Plasma moves by one cell a tick, which is exact; exchange
        and diffusion take half a tick before and after it. A tick is linear in the state, so that the tissue
        is the inflow convolved with what one tick's worth of it leaves behind.
        """
        arterial = arterial.to(torch.float64)
        tick = self.vp / self.flow / self.cells
        ticks = int(step * (len(arterial) - 1) / tick) + 2
        inflow = _integral(arterial, step, torch.arange(ticks + 1, dtype=torch.float64) * tick).diff() / tick
        left = self._left(tick, ticks).flip(0)
        padded = torch.nn.functional.pad(inflow, (ticks - 1, 0))
        held = torch.nn.functional.pad(padded.unfold(0, ticks, 1) @ left, (1, 0))
        return _linear(held, tick, torch.arange(len(arterial), dtype=torch.float64) * step)

    def _left(self, tick: float, ticks: int) -> torch.Tensor:
        """What the tissue still holds of an inflow of 1 during one tick, 1, 2, ... ticks later, [tick]."""
        half = self._half(tick / 2)
        shift = torch.eye(2 * self.cells, dtype=torch.float64)
        shift[: self.cells] = torch.roll(shift[: self.cells], 1, 0)
        shift[0] = 0
        entered = half[:, 0]
        move = half @ shift @ half
        shares = (
            torch.tensor([self.vp, self.ve], dtype=torch.float64).repeat_interleave(self.cells) / self.cells
        )
        rows = shares[None]
        while len(rows) < ticks:
            rows, move = torch.cat([rows, rows @ move]), move @ move
        return (rows @ entered)[:ticks]

    def _half(self, time: float) -> torch.Tensor:
        """Exchange and diffusion for some time, [state to, state from]; plasma cells, then interstitium."""
        out, back = self.ps / self.vp, self.ps / self.ve
        rates = torch.tensor([[-out, out], [back, -back]], dtype=torch.float64)
        exchange = torch.kron(
            torch.linalg.matrix_exp(rates * time), torch.eye(self.cells, dtype=torch.float64)
        )
        if not any(self.diffusion):
            return exchange
        both = exchange.clone().zero_()
        plasma, interstitium = self._diffusion(time)
        both[: self.cells, : self.cells], both[self.cells :, self.cells :] = plasma, interstitium
        return both @ exchange

    def _diffusion(self, time: float) -> list[torch.Tensor]:
        """Diffusion along the capillary, closed at its ends, [cell to, cell from] of each region."""
        chain = torch.diag(torch.ones(self.cells - 1, dtype=torch.float64), 1)
        chain = chain + chain.T
        laplacian = (chain - torch.diag(chain.sum(0))) * (self.cells / LENGTH) ** 2
        return [torch.linalg.matrix_exp(laplacian * (each * time)) for each in self.diffusion]


def _integral(values: torch.Tensor, step: float, times: torch.Tensor) -> torch.Tensor:
    """The integral from 0 to each time of what is linear between values, every ``step`` s."""
    whole = torch.nn.functional.pad(torch.cumulative_trapezoid(values, dx=step), (1, 0))
    low = (times / step).floor().clamp(0, len(values) - 1)
    since = times - low * step
    return whole[low.to(torch.long)] + since * (values[low.to(torch.long)] + _linear(values, step, times)) / 2


def _linear(values: torch.Tensor, step: float, times: torch.Tensor) -> torch.Tensor:
    """The values, every ``step`` s from 0, at other times; the last one beyond the end."""
    place = (times / step).clamp(0, len(values) - 1)
    low = place.floor().clamp(max=len(values) - 2).to(torch.long)
    part = place - low
    return values[low] * (1 - part) + values[low + 1] * part
