"""Every readout of a first pass, in the order of acquisition."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.simulation.perfusion.sequence import Train
from models.simulation.perfusion.study import Study
from models.simulation.sampling import LINE

PERFUSION_LINE = np.dtype([*LINE.descr, ("artery", "?"), ("contrast", "<u2"), ("since", "<f8")])
"""A readout of ``sampling.LINE``; whether it is of the arterial image, its echo, and ``since``: time from the
R wave [s]. Repetitions are heartbeats, those of the proton-density images first."""


def plan_perfusion(study: Study) -> NDArray[Any]:
    """``PERFUSION_LINE``, [readout]: reference lines of all images, then image by image."""
    sequence = study.sequence
    order = range(-1, sequence.slices)
    parts, now = [], 0.0
    for index in order:
        part = _reference(study, index)
        part["time"] += now
        now += len(part) * _train(study, index).spacing + 0.01
        parts.append(part)
    for beat, wave in enumerate(study.waves.tolist()):
        for index in order:
            part = _image(study, index)
            part["repetition"] = beat
            part["time"] = wave + part["since"]
            parts.append(part)
    return np.concatenate(parts)


def _train(study: Study, index: int) -> Train:
    return study.sequence.artery if index < 0 else study.sequence.muscle


def _reference(study: Study, index: int) -> NDArray[Any]:
    train = _train(study, index)
    lines = np.asarray(train.sampling.reference)
    part = np.zeros(len(lines), PERFUSION_LINE)
    part["k1"], part["reference"] = lines, True
    part["slice"], part["artery"] = max(index, 0), index < 0
    part["time"] = part["since"] = np.arange(len(lines)) * train.spacing
    return part


def _image(study: Study, index: int) -> NDArray[Any]:
    sequence, train = study.sequence, _train(study, index)
    lines = np.asarray(train.lines)
    part = np.zeros((len(lines), len(train.echoes)), PERFUSION_LINE)
    part["k1"], part["contrast"] = lines[:, None], np.arange(len(train.echoes))
    part["imaging"], part["slice"], part["artery"] = True, max(index, 0), index < 0
    pulse = np.arange(len(lines)) * train.spacing
    part["since"] = sequence.since(index) + train.first + pulse[:, None]
    return part.reshape(-1)
