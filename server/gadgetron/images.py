"""The table of images: what Gadgetron's gadgets for image arrays and images are here."""

from collections.abc import Mapping

from server.gadgetron.rules import BOOLEAN, REPORTS, Idle, Only, Property, Rule, Sets, number, whole

SKIPS = {"skip_processing_meta_field": Idle(why="g-factor and SNR maps are known by their role")}

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
        steps=(("Extract", {}),),
        properties={
            "extract_magnitude": Sets(where="Extract.magnitude", read=BOOLEAN),
            "extract_mask": Only(values=("1",), why="parts are asked for by their names"),
            "extract_real": Sets(where="Extract.real", read=BOOLEAN),
            "extract_imag": Sets(where="Extract.imaginary", read=BOOLEAN),
            "extract_phase": Sets(where="Extract.phase", read=BOOLEAN),
            "real_imag_offset": Only(values=("0",), why="parts keep their sign"),
        },
        differs="Phases run from -pi to pi.",
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
