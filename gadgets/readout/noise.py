"""Prewhitening: after it the noise of every coil is uncorrelated and has standard deviation 1."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from gadgets.data import (
    Block,
    CoilMeasurement,
    Navigation,
    Noise,
    NoiseMeasurement,
    PhaseCorrection,
    PhaseStabilization,
    SurfaceCoil,
    Text,
)
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.readout.measurement import collect, distinguishes, measure, select
from gadgets.readout.whitening import Whitener, whiten
from gadgets.scan import Scan

SIEMENS_BANDWIDTH = 0.793
"""Receiver noise bandwidth relative to 1 / dwell time, where neither parameter nor header says."""

Whitened: TypeAlias = Block | Navigation | PhaseCorrection | SurfaceCoil | PhaseStabilization
In: TypeAlias = Noise | NoiseMeasurement | CoilMeasurement | Whitened
Out: TypeAlias = CoilMeasurement | Text | Whitened


@dataclass(frozen=True)
class Pending:
    """Readouts, and what whitens them."""

    item: Whitened
    whitener: Whitener

    def whitened(self) -> Whitened:
        """The readouts as Prewhiten gives them."""
        return self.whitener.apply(self.item)


@dataclass(frozen=True, kw_only=True)
class Prewhiten(Gadget):
    """Decorrelate the coils and scale their noise to sd 1 in the real and in the imaginary part.

    All noise readouts before the first other readout count; that one fixes the whitening of the whole scan.
    Where there are none, the measurement that the scan depends on counts, its channels found by coil label.
    Both are consumed. With C = L L^H the covariance of the noise, the data become s L^-1 d with s = sqrt(2
    bandwidth t_acquisition / t_noise), t the sample times (Kellman and McVeigh, MRM 54:1439, 2005).
    """

    bandwidth: float | None = None
    """Receiver noise bandwidth relative to 1 / dwell time; the header's when None, else 0.793."""

    missing: Literal["warn", "fail"] = "warn"
    """A scan without any noise: pass the data unchanged with a warning, or end the reconstruction."""

    def process(self, stream: Iterable[In], scan: Scan) -> Iterator[Out]:
        """Give every readout but noise, whitened; warn once of each thing that is not as it should be.

        An earlier scan's coil measurement is whitened as this scan's data are, and leaves before them.
        """
        for item in self.pending(stream, scan):
            yield item.whitened() if isinstance(item, Pending) else item

    def pending(self, stream: Iterable[In], scan: Scan) -> Iterator["Out | Pending"]:
        """What ``process`` gives, readouts with the whitening that they still want."""
        noise: list[Noise] = []
        stored: NoiseMeasurement | None = None
        whitener: Whitener | None = None
        late = False
        coils: list[CoilMeasurement] = []
        for item in stream:
            if isinstance(item, CoilMeasurement):
                coils.append(item)
                continue
            if isinstance(item, NoiseMeasurement):
                stored = stored or item
                continue
            if isinstance(item, Noise):
                if whitener is None:
                    collect(noise, item)
                elif not late:
                    late = True
                    yield _warning("noise readouts after the first imaging line are not used")
                continue
            if whitener is None:
                whitener = self._whitener(measure(noise, scan) if noise else stored, scan)
                noise.clear()
                yield from map(_warning, whitener.warnings)
                yield from (_calibration(each, whitener) for each in coils)
            if isinstance(item, SurfaceCoil) and not whitener.fits(item):
                yield replace(item, notes={**item.notes, "ScansideNoise": "none"})
            else:
                yield Pending(item, whitener)

    def _whitener(self, noise: NoiseMeasurement | None, scan: Scan) -> Whitener:
        if noise is None:
            return self._without(scan)
        warnings: tuple[str, ...] = ()
        if noise.origin:
            noise, warnings = _matched(noise, scan.coil_labels)
        bandwidth, source = self._bandwidth(noise, scan)
        whitener = whiten(noise, bandwidth)
        notes = {
            **whitener.notes,
            "ScansideNoiseBandwidth": bandwidth,
            "ScansideNoiseBandwidthSource": source,
        }
        return replace(whitener, notes=notes, warnings=warnings + whitener.warnings)

    def _without(self, scan: Scan) -> Whitener:
        needed = [scan.pseudonyms.get(name, "") for name in scan.depends("noise")]
        lack = "no noise readouts"
        if needed:
            which = " ".join(("noise measurement", *filter(None, needed)))
            lack += f", and the {which} that it depends on was not found"
        if self.missing == "fail":
            raise DataError(f"the scan has {lack}")
        warning = f"the scan has {lack}: its data are not whitened, its images not in SNR units"
        return Whitener(notes={"ScansideNoise": "none"}, warnings=(warning,))

    def _bandwidth(self, noise: NoiseMeasurement, scan: Scan) -> tuple[float, str]:
        if self.bandwidth is not None:
            return self.bandwidth, "parameter"
        for header in (noise.bandwidth, scan.noise_bandwidth):
            if header is not None:
                return header, "header"
        return SIEMENS_BANDWIDTH, "assumed"


def _matched(noise: NoiseMeasurement, labels: tuple[str, ...]) -> tuple[NoiseMeasurement, tuple[str, ...]]:
    """An earlier scan's noise for the channels of this one, and what is to be warned of.

    Channels are taken in their order when both scans name them alike, or when names cannot tell them apart.
    """
    if labels == noise.coil_labels:
        return noise, ()
    if distinguishes(labels, len(labels)) and distinguishes(noise.coil_labels, len(noise.variance)):
        return select(noise, labels), ()
    return noise, (
        f"coil labels are missing or not unique: channels of the noise measurement {noise.origin} are taken "
        "in their order",
    )


def _calibration(coils: CoilMeasurement, whitener: Whitener) -> CoilMeasurement | Text:
    found = whitener.whiten_coils(coils)
    return found or _warning(
        f"the coil measurement {coils.origin} has {coils.data.shape[1]} channels, but {whitener.source} has "
        "another number: it is not used"
    )


def _warning(text: str) -> Text:
    return Text(text=text, level="warning")
