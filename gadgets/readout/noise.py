"""Prewhitening: after it the noise of every coil is uncorrelated and has standard deviation 1."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from gadgets.data import (
    Block,
    Navigation,
    Noise,
    PhaseCorrection,
    PhaseStabilization,
    SurfaceCoil,
    Text,
)
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.readout.whitening import Whitener, measure
from gadgets.scan import Scan

SIEMENS_BANDWIDTH = 0.793
"""Receiver noise bandwidth relative to 1 / dwell time, where neither parameter nor header says."""

MOST_BYTES = 256 << 20
"""The longest noise scan that is kept for its one reduction."""


@dataclass(frozen=True, kw_only=True)
class Prewhiten(Gadget):
    """Decorrelate the coils and scale their noise to sd 1 in the real and in the imaginary part.

    All noise readouts before the first other readout count; that one fixes the whitening of the whole scan.
    Noise readouts are consumed. With C = L L^H the covariance of the noise, the data become s L^-1 d with s =
    sqrt(2 bandwidth t_acquisition / t_noise), t the sample times (Kellman and McVeigh, MRM 54:1439, 2005).
    """

    bandwidth: float | None = None
    """Receiver noise bandwidth relative to 1 / dwell time; the header's when None, else 0.793."""

    missing: Literal["warn", "fail"] = "warn"
    """A scan without noise readouts: pass the data unchanged with a warning, or end the reconstruction."""

    def process(
        self,
        stream: Iterable[Noise | Block | Navigation | PhaseCorrection | SurfaceCoil | PhaseStabilization],
        scan: Scan,
    ) -> Iterator[Block | Navigation | PhaseCorrection | SurfaceCoil | PhaseStabilization | Text]:
        """Give every readout but noise, whitened; warn once of each thing that is not as it should be."""
        noise: list[Noise] = []
        whitener: Whitener | None = None
        late = False
        for item in stream:
            if isinstance(item, Noise):
                if whitener is None:
                    _keep(noise, item)
                elif not late:
                    late = True
                    yield _warning("noise readouts after the first imaging line are not used")
                continue
            if whitener is None:
                whitener = self._whitener(noise, scan)
                noise.clear()
                yield from map(_warning, whitener.warnings)
            if isinstance(item, SurfaceCoil) and not whitener.fits(item):
                yield replace(item, notes={**item.notes, "ScansideNoise": "none"})
            else:
                yield whitener.apply(item)

    def _whitener(self, noise: list[Noise], scan: Scan) -> Whitener:
        """From the scan's own noise readouts; a measurement that this one depends on will be asked here."""
        if noise:
            bandwidth, source = self._bandwidth(scan)
            whitener = measure(noise, bandwidth, scan.coil_labels)
            notes = {
                **whitener.notes,
                "ScansideNoiseBandwidth": bandwidth,
                "ScansideNoiseBandwidthSource": source,
            }
            return replace(whitener, notes=notes)
        if self.missing == "fail":
            raise DataError("Prewhiten found no noise readouts before the first imaging line")
        warning = "the scan has no noise readouts: its data are not whitened, its images not in SNR units"
        return Whitener(notes={"ScansideNoise": "none"}, warnings=(warning,))

    def _bandwidth(self, scan: Scan) -> tuple[float, str]:
        if self.bandwidth is not None:
            return self.bandwidth, "parameter"
        if scan.noise_bandwidth is not None:
            return scan.noise_bandwidth, "header"
        return SIEMENS_BANDWIDTH, "assumed"


def _keep(noise: list[Noise], item: Noise) -> None:
    noise.append(item)
    size = sum(kept.data.nbytes for kept in noise)
    if size > MOST_BYTES:
        raise DataError(f"the noise scan has {size} bytes, expected at most {MOST_BYTES}")


def _warning(text: str) -> Text:
    return Text(text=text, level="warning")
