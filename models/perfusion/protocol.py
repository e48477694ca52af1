"""What has to be known of a scan before a signal becomes a concentration. Nothing has a default."""

from dataclasses import dataclass

from models.kinetics.concentration import Readout
from models.perfusion.conversion import Conversion, Form

NATIVE = {1.5: (1.7, 1.1), 3.0: (2.0, 1.3)}
"""T1 [s] of blood and of muscle without contrast agent, by field strength [T] (open flow-mapping code of the
NIH)."""

NATIVE_T2 = {1.5: (0.22, 0.045), 3.0: (0.25, 0.045)}
"""T2 [s] of both, from the same code."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Sequence, tissue and agent."""

    muscle: Readout
    arterial: Readout
    """Of the slices, and of the low-resolution images of the arterial input."""

    echo_times: tuple[float, ...]
    """Of the arterial images [s]; one where T2* is not measured."""

    t1_blood: float
    t1_muscle: float
    """Without contrast agent [s]."""

    relaxivity: float
    """r1 [1 / (mM s)]."""

    t2_blood: float
    t2_muscle: float
    """Without contrast agent [s]; only the Bloch equations ask for it."""

    relaxivity_t2: float
    """r2 [1 / (mM s)]; the same."""

    def blood(self, form: Form) -> Conversion:
        """From the arterial signal to concentration; by the Bloch equations where there is no other form."""
        return self._conversion(self.arterial, self.t1_blood, self.t2_blood, form)

    def tissue(self, form: Form) -> Conversion:
        """From the muscle's signal to concentration; the same."""
        return self._conversion(self.muscle, self.t1_muscle, self.t2_muscle, form)

    def _conversion(self, readout: Readout, t1: float, t2: float, form: Form) -> Conversion:
        form = form if readout.ramp is None else "bloch"
        return Conversion(readout=readout, t1=t1, t2=t2, r1=self.relaxivity, r2=self.relaxivity_t2, form=form)
