"""The table: Gadgetron's classes and their properties, and what they are here.

Facts about the classes: Gadgetron 4.7, as its sources declare them.
"""

from collections.abc import Mapping

from server.gadgetron.rules import BOOLEAN, Idle, Only, Property, Rule, Sets, number, whole

PLAIN = "for developers"
REPORTS: Mapping[str, Property] = {
    name: Idle(why=PLAIN)
    for name in ("verbose", "verboseMode", "perform_timing", "debug_folder", "time_tick", "print_iter")
}
"""Properties of every generic gadget."""

SKIPS = {"skip_processing_meta_field": Idle(why="g-factor and SNR maps are known by their role")}

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
AVERAGE_REFERENCE = Idle(why="the reference lines of a slice's first image calibrate all its images")

READOUT: Mapping[str, Rule] = {
    "NoiseAdjustGadget": Rule(
        steps=(("Prewhiten", {}),),
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
    "NoiseAdjustGadget_unoptimized": Rule(steps=(("Prewhiten", {}),)),
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
        differs="Channels are not compressed: nothing is lost.",
    ),
    "CoilReductionGadget": Rule(
        properties={
            "coils_out": Idle(why="channels are not compressed"),
            "coil_mask": Only(values=("",), why="all channels are used"),
        },
        behind=("PCACoilGadget",),
        differs="Channels are not compressed: nothing is lost.",
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
        properties={
            **dict.fromkeys(
                (
                    "average_all_ref_N",
                    "average_all_ref_S",
                    "update_eigen_channel_coefficients",
                    "upstream_coil_compression",
                    "upstream_coil_compression_thres",
                    "upstream_coil_compression_num_modesKept",
                ),
                Idle(why="channels are not compressed"),
            ),
            **REPORTS,
        },
        differs="Channels are not compressed: nothing is lost.",
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

RECON: Mapping[str, Rule] = {
    "GenericReconCartesianGrappaGadget": Rule(
        steps=(("Grappa", {}), ("Combine", {})),
        properties={
            "send_out_gfactor": Sets(where="Combine.gfactor", read=BOOLEAN),
            "send_out_snr_map": Sets(where="Combine.snr", read=BOOLEAN),
            "grappa_kSize_RO": Sets(where="Grappa.kernel", read=whole, index=0, default=(5, 4)),
            "grappa_kSize_E1": Sets(where="Grappa.kernel", read=whole, index=1, default=(5, 4)),
            "grappa_kSize_E2": Idle(why="one axis is accelerated"),
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
        steps=(("Spirit", {"kernel": 7, "weight": 1.0, "wavelet": "db1", "levels": 1}), ("Combine", {})),
        properties={
            **SPIRIT,
            "spirit_reg_name": Sets(where="Spirit.wavelet", read=str),
            "spirit_reg_level": Sets(where="Spirit.levels", read=whole),
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
                    "spirit_reg_N_weighting_ratio",
                ),
                Idle(why="the threshold is one noise sd, common to all coils"),
            ),
        },
        differs="Each frame by itself, not 2D and time; the threshold of its wavelets is one noise sd.",
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

FILTER = {
    "gaussian": "gaussian",
    "hanning": "hanning",
    "taperedhanning": "tapered",
}
ROUNDING: Mapping[str, Property] = {
    "min_intensity": Only(values=("0",), why="magnitudes begin at 0"),
    "intensity_offset": Idle(why="magnitudes have none"),
}

ONCE = Rule(
    steps=(("AutoScale", {"percentile": 100.0, "usual": 4.0}),),
    properties={
        "use_constant_scalingFactor": Idle(why="decides between Convert and AutoScale"),
        "scalingFactor": Sets(where="AutoScale.usual", read=number),
        "min_intensity_value": Sets(where="AutoScale.low", read=number),
        "max_intensity_value": Sets(where="AutoScale.high", read=number),
        "auto_scaling_only_once": Only(values=("true", "1"), why="one constant for a measurement"),
        **dict.fromkeys(
            (
                "use_dedicated_scalingFactor_meta_field",
                "scalingFactor_dedicated",
                "scalingFactor_gfactor_map",
                "scalingFactor_snr_map",
                "scalingFactor_snr_std_map",
            ),
            Idle(why="maps are not scaled"),
        ),
        **REPORTS,
    },
)
"""Scaling by a constant that the first image gives."""

IMAGE: Mapping[str, Rule] = {
    "AutoScaleGadget": Rule(
        steps=(("AutoScale", {}),),
        properties={
            "max_value": Sets(where="AutoScale.to", read=number),
            "histogram_bins": Idle(why="the percentile is exact"),
        },
        differs="One constant for the measurement, from its first image, instead of one for each image.",
    ),
    "ScaleGadget": Rule(
        steps=(("AutoScale", {"percentile": 98.5}),),
        properties={
            "max_value": Sets(where="AutoScale.to", read=number),
            "percentile": Sets(where="AutoScale.percentile", read=number),
        },
        differs="One constant for the measurement, from its first image.",
    ),
    "ImageSortGadget": Rule(
        properties={
            "sorting_dimension": Only(values=("repetition",), why="images leave as they become complete")
        },
        differs="Images leave as they become complete, repetition by repetition.",
    ),
    "GenericReconKSpaceFilteringGadget": Rule(
        steps=(("KspaceFilter", {}),),
        properties={
            **{
                f"filter{axis}{what}": Sets(where=f"KspaceFilter.{name}", read=read)
                for axis in ("RO", "E1", "E2")
                for what, name, read in (
                    ("", "shape", FILTER),
                    ("_sigma", "sigma", number),
                    ("_width", "width", number),
                )
            },
            **SKIPS,
            **REPORTS,
        },
    ),
    "GenericReconFieldOfViewAdjustmentGadget": Rule(
        steps=(("Resize", {}),), properties=REPORTS, differs="The noise keeps its standard deviation."
    ),
    "GenericReconImageArrayScalingGadget": Rule(
        instead={("use_constant_scalingFactor", each): ONCE for each in ("false", "0")},
        steps=(("Convert", {"to": "same", "scale": 4.0, "gfactor": 100.0, "snr": 10.0}),),
        properties={
            "scalingFactor": Sets(where="Convert.scale", read=number),
            "scalingFactor_gfactor_map": Sets(where="Convert.gfactor", read=number),
            "scalingFactor_snr_map": Sets(where="Convert.snr", read=number),
            "use_constant_scalingFactor": Idle(why="decides between Convert and AutoScale"),
            "auto_scaling_only_once": Idle(why="scaling is by a constant"),
            "min_intensity_value": Idle(why="scaling is by a constant"),
            "max_intensity_value": Idle(why="scaling is by a constant"),
            "use_dedicated_scalingFactor_meta_field": Idle(why="maps are known by their role"),
            "scalingFactor_dedicated": Idle(why="maps are known by their role"),
            "scalingFactor_snr_std_map": Idle(why="scaled as the g-factor map"),
            **REPORTS,
        },
    ),
    "GenericReconPartialFourierHandlingFilterGadget": Rule(
        steps=(("PartialFourier", {"method": "filter"}),),
        properties={
            **{
                f"partial_fourier_filter_{axis}_width": Sets(where="PartialFourier.width", read=number)
                for axis in ("RO", "E1", "E2")
            },
            "partial_fourier_filter_densityComp": Only(values=("false", "0"), why="would break SNR units"),
            **SKIPS,
            **REPORTS,
        },
        differs="Any asymmetry counts, also one smaller than the acceleration.",
    ),
    "GenericReconPartialFourierHandlingPOCSGadget": Rule(
        steps=(("PartialFourier", {"method": "pocs"}),),
        properties={
            "partial_fourier_POCS_iters": Sets(where="PartialFourier.iterations", read=whole),
            "partial_fourier_POCS_thres": Sets(where="PartialFourier.threshold", read=number),
            "partial_fourier_POCS_transitBand": Sets(where="PartialFourier.transition", read=whole),
            "partial_fourier_POCS_transitBand_E2": Idle(why="one width for all axes"),
            **SKIPS,
            **REPORTS,
        },
        differs="Any asymmetry counts; the transition has one width along all axes.",
    ),
    "GenericReconNoiseStdMapComputingGadget": Rule(
        steps=(("Deviation", {}),),
        properties={"start_N_for_std_map": Sets(where="Deviation.start", read=whole), **REPORTS},
        differs="N is the repetition; sent when the scan ends, scaled as the g-factor map.",
    ),
    "PhysioInterpolationGadget": Rule(
        steps=(("InterpolateHeartbeats", {}),),
        properties={
            "phases": Sets(where="InterpolateHeartbeats.phases", read=whole),
            "phase": Idle(why="has no effect in Gadgetron either"),
            "mode": Sets(
                where="InterpolateHeartbeats.beats",
                read={"0": "all", "separate": "all", "1": "first", "complete": "first"},
            ),
            "physiology_time_index": Sets(where="InterpolateHeartbeats.stamp", read=whole),
            "first_beat_on_trigger": Sets(where="InterpolateHeartbeats.triggered", read=BOOLEAN),
            "interp_method": Idle(why="cubic Hermite polynomials in time"),
            "time_stamp_resolution_": Only(values=("2.5",), why="stamps are in ticks of 2.5 ms"),
        },
        differs="Beats by their triggers, by time; only complete ones; cubic, local in time.",
    ),
    "ImageArraySplitGadget": Rule(),
    "ImageFinishGadget": Rule(),
    "ImageIndexGadget": Rule(differs="Images are numbered in their series when they leave."),
    "ComplexToFloatGadget": Rule(steps=(("Magnitude", {}),)),
    "ExtractGadget": Rule(
        steps=(("Magnitude", {}),),
        properties={
            "extract_magnitude": Only(values=("true", "1"), why="magnitudes are made"),
            "extract_mask": Only(values=("1",), why="magnitudes are made"),
            **{
                f"extract_{part}": Only(values=("false", "0"), why="magnitudes are made")
                for part in ("real", "imag", "phase")
            },
            "real_imag_offset": Idle(why="magnitudes have none"),
        },
    ),
    "FloatToUShortGadget": Rule(
        steps=(("Convert", {"to": "uint16", "maximum": 4095.0}),),
        properties={"max_intensity": Sets(where="Convert.maximum", read=number), **ROUNDING},
        differs="The number of clipped pixels stands in the meta attributes.",
    ),
    "FloatToShortGadget": Rule(
        steps=(("Convert", {"to": "int16"}),),
        properties={
            "max_intensity": Sets(where="Convert.maximum", read=number),
            "min_intensity": Only(values=("-32768", "0"), why="magnitudes begin at 0"),
            "intensity_offset": Idle(why="magnitudes have none"),
        },
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

COMMUTING = {"Prewhiten": ("AlignEcho", "RemoveOversampling")}
"""Steps that may trade places, and do where that saves work: what is cropped need not be whitened."""

BUCKETS = ("AcquisitionAccumulateTriggerGadget", "FlagTriggerGadget")
"""Behind these the stream carries buckets."""

SINGLE = "ImageArraySplitGadget"
"""Before it generic gadgets give arrays of images, behind it single ones."""
