"""The table: Gadgetron's classes and their properties, and what they are here.

Facts about the classes: Gadgetron 4.7, as its sources declare them.
"""

from collections.abc import Mapping

from server.gadgetron.images import IMAGE
from server.gadgetron.rules import (
    BOOLEAN,
    PLAIN,
    REPORTS,
    Idle,
    Only,
    Property,
    Rule,
    Sets,
    fraction,
    number,
    some,
    whole,
)

TRIGGER = {
    **{each: each for each in ("slice", "phase", "repetition", "set", "contrast")},
    **dict.fromkeys(("", "none", "average")),
}
DIMENSION = Idle(why="every slice, contrast, phase, repetition and set is an image of its own")
MAPS: Mapping[str, Property] = {
    "image_series": Only(values=("0",), why="series are numbered from 1"),
    "coil_map_algorithm": Idle(why="adaptive combination"),
    "coil_map_kernel_size_readout": Idle(why="adaptive combination"),
    "coil_map_kernel_size_phase": Idle(why="adaptive combination"),
    "coil_map_num_iter": Idle(why="adaptive combination"),
    "coil_map_thres_iter": Idle(why="adaptive combination"),
}
COMPRESSION = Idle(why="all channels are synthesised")
EIGENCHANNELS: Mapping[str, Property] = {
    "average_all_ref_N": Idle(why="the first central lines of a slice decide"),
    "average_all_ref_S": Idle(why="the first central lines of a slice decide"),
    "update_eigen_channel_coefficients": Idle(why="the first central lines of a slice decide"),
    "upstream_coil_compression": Idle(why="it is"),
    **REPORTS,
}
AVERAGE_REFERENCE = Idle(why="the reference lines of a slice's first image calibrate all its images")

READOUT: Mapping[str, Rule] = {
    "NoiseAdjustGadget": Rule(
        steps=(("DetectSaturation", {}), ("Prewhiten", {})),
        properties={
            "noise_dependency_prefix": Idle(why="the server keeps measurements by their id"),
            "noise_dependency_folder": Idle(why="the server keeps measurements in its own folder"),
            "noise_dwell_time_us_preset": Idle(why="has no effect in Gadgetron either"),
            "pass_nonconformant_data": Idle(why="other channels than those of the noise are an error"),
            "perform_noise_adjust": Only(values=("true", "1"), why="leave the gadget out instead"),
            "scale_only_channels_by_name": Only(values=("",), why="all channels are whitened"),
        },
        differs="Data without a noise scan bring a warning; channels that do not fit are an error.",
    ),
    "NoiseAdjustGadget_unoptimized": Rule(steps=(("DetectSaturation", {}), ("Prewhiten", {}))),
    "AsymmetricEchoAdjustROGadget": Rule(
        steps=(("AlignEcho", {}),), differs="Reversed lines are turned first."
    ),
    "RemoveROOversamplingGadget": Rule(steps=(("RemoveOversampling", {}),)),
    "EPIReconXGadget": Rule(
        steps=(("RegridEpi", {}),), properties=REPORTS, differs="Reversed lines are turned, too."
    ),
    "EPICorrGadget": Rule(
        steps=(("CorrectEpi", {"order": 3}),),
        properties={
            "B0CorrectionMode": Sets(
                where="CorrectEpi.drift", read={"none": False, "mean": True, "linear": True}
            ),
            "OEPhaseCorrectionMode": Sets(
                where="CorrectEpi.order", read={"mean": 0, "linear": 1, "polynomial": 3}
            ),
            "referenceNavigatorNumber": Idle(why="all echoes of a shot count"),
            "navigatorParameterFilterLength": Only(values=("0",), why="each shot has its own echoes"),
            "navigatorParameterFilterExcludeVols": Idle(why="each shot has its own echoes"),
            **REPORTS,
        },
        behind=("EPIReconXGadget",),
        differs="Echoes of each shot by themselves; the drift from echo to echo is its mean.",
    ),
    "FFTXGadget": Rule(behind=("EPIReconXGadget",), differs="The lines are over x already."),
    "OneEncodingGadget": Rule(
        differs="Encoding spaces stay apart: reference lines of another one calibrate nothing."
    ),
    "PCACoilGadget": Rule(
        properties={
            "uncombined_channels_by_name": Only(values=("",), why="all channels are combined"),
            "present_uncombined_channels": Only(values=("0",), why="all channels are combined"),
        },
        differs="Alone it changes no image, and is left out.",
    ),
    "CoilReductionGadget": Rule(
        steps=(("CompressCoils", {"channels": 128}),),
        properties={
            "coils_out": Sets(where="CompressCoils.channels", read=whole),
            "coil_mask": Only(values=("",), why="principal components are kept by their order"),
        },
        behind=("PCACoilGadget",),
        differs="Principal components of the central lines of each slice.",
    ),
    "IsmrmrdDumpGadget": Rule(
        properties={
            name: Idle(why="the spool keeps every byte")
            for name in ("folder", "file_prefix", "ip_no_data_saving", "save_xml_header_only")
        }
        | {"pass_waveform_downstream": Idle(why="waveforms pass")},
        differs="The spool keeps every byte of every scan.",
    ),
    "AcquisitionPassthroughGadget": Rule(),
}

KSPACE: Mapping[str, Rule] = {
    "AcquisitionAccumulateTriggerGadget": Rule(
        steps=(("Accumulate", {}),),
        properties={
            "trigger_dimension": Sets(where="Accumulate.trigger", read=TRIGGER),
            "sorting_dimension": DIMENSION,
            "n_acquisitions_before_trigger": Idle(why="counts no acquisitions"),
            "n_acquisitions_before_ongoing_trigger": Idle(why="counts no acquisitions"),
        },
        differs="An image is made as soon as its lines are there, not at the trigger or at the end.",
    ),
    "SliceAccumulator": Rule(
        steps=(("Accumulate", {}),), differs="An image is made as soon as its lines are there."
    ),
    "BucketToBufferGadget": Rule(
        properties={
            "N_dimension": DIMENSION,
            "S_dimension": DIMENSION,
            "split_slices": DIMENSION,
            "ignore_segment": Idle(why="segments are merged"),
            **REPORTS,
        },
        behind=("AcquisitionAccumulateTriggerGadget",),
        differs="Averages are averaged and segments merged, whatever N and S are.",
    ),
    "GenericReconCartesianReferencePrepGadget": Rule(
        properties={
            "average_all_ref_N": AVERAGE_REFERENCE,
            "average_all_ref_S": AVERAGE_REFERENCE,
            "N_for_ref": Only(values=("-1",), why="the first image's reference lines count"),
            "S_for_ref": Only(values=("-1",), why="the first image's reference lines count"),
            "ref_fill_into_data_embedded": Idle(why="a parameter of Grappa: put_back"),
            "prepare_ref_always": Idle(why="coil maps come from the images where there are no lines"),
            **REPORTS,
        },
        behind=("BucketToBufferGadget",),
        differs="Reference lines calibrate as soon as they are there, those of a slice's first image.",
    ),
    "GenericReconEigenChannelGadget": Rule(
        steps=(("CompressCoils", {"threshold": 0.0}),),
        properties={
            **EIGENCHANNELS,
            "upstream_coil_compression_thres": Sets(where="CompressCoils.threshold", read=fraction),
            "upstream_coil_compression_num_modesKept": Sets(where="CompressCoils.channels", read=some),
        },
        instead={
            ("upstream_coil_compression", each): Rule(
                properties={
                    **EIGENCHANNELS,
                    "upstream_coil_compression_thres": Idle(why="nothing is compressed"),
                    "upstream_coil_compression_num_modesKept": Idle(why="nothing is compressed"),
                }
            )
            for each in ("false", "0")
        },
        differs="Of the central lines, as they come; a threshold of -1 keeps all, and is left out.",
    ),
}


def _set_or_automatic(text: str) -> float | None:
    return number(text) or None


AUTOMATIC = Idle(why="ends by its own rule")
SPIRIT: Mapping[str, Property] = {
    "spirit_kSize_RO": Sets(where="Spirit.kernel", read=whole),
    "spirit_kSize_E1": Sets(where="Spirit.kernel", read=whole),
    "spirit_kSize_E2": Idle(why="one kernel size along all axes"),
    "spirit_reg_lamda": Sets(where="Spirit.regularization", read=_set_or_automatic),
    "spirit_iter_max": AUTOMATIC,
    "spirit_iter_thres": AUTOMATIC,
    "spirit_calib_over_determine_ratio": Idle(why="all reference lines are used"),
    "spirit_print_iter": Idle(why=PLAIN),
    **MAPS,
    **REPORTS,
}

NONLINEAR: Mapping[str, object] = {
    "kernel": 7,
    "weight": 1.0,
    "wavelet": "db1",
    "levels": 1,
    "frames": 16,
    "temporal": 10.0,
}

RECON: Mapping[str, Rule] = {
    "GenericReconCartesianGrappaGadget": Rule(
        steps=(("Grappa", {}), ("Combine", {})),
        properties={
            "send_out_gfactor": Sets(where="Combine.gfactor", read=BOOLEAN),
            "send_out_snr_map": Sets(where="Combine.snr", read=BOOLEAN),
            "grappa_kSize_RO": Sets(where="Grappa.kernel", read=whole, index=0, default=(5, 4)),
            "grappa_kSize_E1": Sets(where="Grappa.kernel", read=whole, index=1, default=(5, 4)),
            "grappa_kSize_E2": Idle(why="two lines along E2, where it is accelerated"),
            "grappa_reg_lamda": Sets(where="Grappa.regularization", read=number),
            "grappa_calib_over_determine_ratio": Idle(why="all reference lines are used"),
            "downstream_coil_compression": COMPRESSION,
            "downstream_coil_compression_thres": COMPRESSION,
            "downstream_coil_compression_num_modesKept": COMPRESSION,
            **MAPS,
            **REPORTS,
        },
        differs="All channels are synthesised and combined adaptively.",
    ),
    "GenericReconCartesianSpiritGadget": Rule(
        steps=(("Spirit", {"kernel": 7}), ("Combine", {})),
        properties=SPIRIT,
        differs="One kernel size along all axes; acquired lines stay as they are.",
    ),
    "GenericReconCartesianNonLinearSpirit2DTGadget": Rule(
        steps=(("Spirit", NONLINEAR), ("Combine", {})),
        properties={
            **SPIRIT,
            "spirit_reg_name": Sets(where="Spirit.wavelet", read=str),
            "spirit_reg_level": Sets(where="Spirit.levels", read=whole),
            "spirit_reg_N_weighting_ratio": Sets(where="Spirit.temporal", read=_set_or_automatic),
            "spirit_nl_iter_max": AUTOMATIC,
            "spirit_nl_iter_thres": AUTOMATIC,
            **dict.fromkeys(
                (
                    "spirit_perform_linear",
                    "spirit_parallel_imaging_lamda",
                    "spirit_image_reg_lamda",
                    "spirit_data_fidelity_lamda",
                    "spirit_reg_estimate_noise_floor",
                    "spirit_reg_minimal_num_images_for_noise_floor",
                    "spirit_reg_keep_approx_coeff",
                    "spirit_reg_keep_redundant_dimension_coeff",
                    "spirit_reg_proximity_across_cha",
                    "spirit_reg_use_coil_sen_map",
                    "spirit_reg_RO_weighting_ratio",
                    "spirit_reg_E1_weighting_ratio",
                ),
                Idle(why="the threshold is one noise sd, common to all coils"),
            ),
        },
        differs="Sixteen frames of a slice together, not all; the threshold of the wavelets is one noise sd.",
    ),
    "GenericReconCartesianFFTGadget": Rule(
        steps=(("Fourier", {}), ("Combine", {})), properties={**MAPS, **REPORTS}
    ),
    "SimpleReconGadget": Rule(steps=(("Fourier", {}), ("Combine", {"method": "rss"}))),
    "FFTGadget": Rule(steps=(("Fourier", {}),)),
    "CombineGadget": Rule(
        steps=(("Combine", {"method": "rss"}),),
        behind=("FFTGadget",),
        differs="The image is real, without a phase.",
    ),
}

RULES: Mapping[str, Rule] = {**READOUT, **KSPACE, **RECON, **IMAGE}
"""What each class of Gadgetron becomes."""

WEIGHTS: Mapping[str, Property] = {
    "block_size_samples": Sets(where="Grappa.kernel", read=whole, index=0, default=(5, 4)),
    "block_size_lines": Sets(where="Grappa.kernel", read=whole, index=1, default=(5, 4)),
    "convolution_kernel_threshold": Sets(where="Grappa.regularization", read=number),
    "coil_map_estimation_ks": Idle(why="adaptive combination"),
    "coil_map_estimation_power": Idle(why="adaptive combination"),
    "image_series": Only(values=("0",), why="series are numbered from 1"),
    "unmixing_scale": Only(values=("1",), why="images are in SNR units"),
}

PARALLEL: Mapping[tuple[str, tuple[str, ...], str], Rule] = {
    ("AcquisitionFanout", ("ImageAccumulator", f"{where}WeightsCalculator"), "Unmixing"): Rule(
        steps=(("Grappa", {}), ("Combine", {})), properties=WEIGHTS
    )
    for where in ("cpu", "gpu")
}
"""Parallel streams that are one thing here: by branch, the classes in them, sorted, and merge."""

FORKS = frozenset(
    (branch, "UnorderedMerge") for branch in ("AcquisitionFanout", "ImageFanout", "WaveformFanout")
)
"""Branches and merges that our own branches stand for; ours have an order."""

LAST = {"Prewhiten": "MeasureNoise"}
"""What a chain that ends so is for: one that ends with noise measures it, for the scans that depend on it."""

COMMUTING = {
    "Prewhiten": ("AlignEcho", "RemoveOversampling"),
    "CompressCoils": ("AlignEcho", "RemoveOversampling"),
    "Accumulate": ("CompressCoils",),
}
"""Steps that may trade places, and do where that saves work: what is cropped need not be whitened, what is
compressed takes less room; and coils are compressed readout by readout here."""

BUCKETS = ("AcquisitionAccumulateTriggerGadget", "FlagTriggerGadget")
"""Behind these the stream carries buckets."""

SINGLE = "ImageArraySplitGadget"
"""Before it generic gadgets give arrays of images, behind it single ones."""
