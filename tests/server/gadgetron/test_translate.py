import os
from pathlib import Path

import pytest

from gadgets.gadget import check
from server.chain import SOURCE, build, parse
from server.errors import ChainError
from server.gadgetron.classes import BRANCHES, GADGETS, MERGES, READERS, WRITERS
from server.gadgetron.nodes import read
from server.gadgetron.rules import Sets
from server.gadgetron.table import RULES
from server.registry import registry
from server.step import Fork, Step
from tests.server.gadgetron.xml import CARTESIAN, legacy, stream

GADGETRON = os.environ.get("SCANSIDE_PEER_GADGETRON_CONFIGS", "")


def steps(*gadgets):
    return parse(legacy(*gadgets))


def test_a_configuration_becomes_a_chain_of_our_gadgets():
    assert steps(*CARTESIAN) == [
        Step("DetectSaturation", {}),
        Step("RemoveOversampling", {}),
        Step("Prewhiten", {}),
        Step("Accumulate", {"trigger": "repetition"}),
        Step("Fourier", {}),
        Step("Combine", {"method": "rss"}),
        Step("Extract", {}),
    ]


@pytest.mark.parametrize("kind", RULES)
def test_every_rule_makes_gadgets_that_are_here_of_a_class_that_gadgetron_has(kind):
    rule = RULES[kind]
    assert kind in GADGETS
    assert set(rule.behind) <= GADGETS
    for name, parameters in rule.steps:
        registry()[name](**parameters)
    for each in (each for one in (rule, *rule.instead.values()) for each in one.properties.values()):
        if isinstance(each, Sets):
            name, _, parameter = each.where.partition(".")
            assert parameter in registry()[name].__dataclass_fields__


def test_what_is_missing_is_named_all_of_it():
    with pytest.raises(ChainError) as caught:
        steps(
            ("gpuRadialSensePrepGadget", {"mode": "2"}),
            ("gpuCgSenseGadget", {}),
            ("gpuCgSenseGadget", {}),
            ("ExtractGadget", {"extract_mask": "4"}),
        )
    assert str(caught.value) == (
        "the configuration needs what is not here: gpuRadialSensePrepGadget, gpuCgSenseGadget, "
        "ExtractGadget.extract_mask = '4' (parts are asked for by their names)"
    )


REFUSED = {
    "radial": (
        [("PCACoilGadget", {}), ("gpuRadialSensePrepGadget", {"mode": "2"}), ("gpuCgSenseGadget", {})],
        ["gpuRadialSensePrepGadget", "gpuCgSenseGadget"],
    ),
    "spiral": (
        [("SpiralToGenericGadget", {}), *CARTESIAN[2:4], ("GriddingReconGadget", {"iterate": "true"})],
        ["SpiralToGenericGadget", "GriddingReconGadget"],
    ),
    "binning": (
        [("CmrCartesianKSpaceBinningCineGadget", {"x": "1"})],
        ["CmrCartesianKSpaceBinningCineGadget"],
    ),
    "mapping": (
        [("CmrParametricT1SRMappingGadget", {}), ("T1MocoGadget", {"scales": "5"})],
        ["CmrParametricT1SRMappingGadget", "T1MocoGadget"],
    ),
    "dicom": ([*CARTESIAN[1:4], ("FFTGadget", {}), ("DicomFinishGadget", {})], ["DicomFinishGadget"]),
    "matlab": (
        ["<external><execute name='a.b' type='matlab'/><configuration/></external>"],
        ["external a.b in matlab"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_chains_of_other_kinds_are_understood_and_refused_with_what_they_need(name):
    gadgets, missing = REFUSED[name]
    with pytest.raises(ChainError) as caught:
        parse(stream(*gadgets))
    assert str(caught.value) == f"the configuration needs what is not here: {', '.join(missing)}"


@pytest.mark.parametrize(
    ("gadget", "says"),
    [
        (
            ("NoiseAdjustGadgett", {}),
            "no gadget of Gadgetron is called 'NoiseAdjustGadgett'; did you mean No",
        ),
        (
            ("AcquisitionAccumulateTriggerGadget", {"trigger_dimensions": "slice"}),
            "no property of AcquisitionAccumulateTriggerGadget is called 'trigger_dimensions'; did",
        ),
        (
            ("AcquisitionAccumulateTriggerGadget", {"trigger_dimension": "slize"}),
            r"AcquisitionAccumulateTriggerGadget\.trigger_dimension: 'slize' is none of",
        ),
        (("FloatToUShortGadget", {"max_intensity": "many"}), "max_intensity: 'many' is not a number"),
    ],
)
def test_a_typing_error_is_named_with_what_was_meant(gadget, says):
    with pytest.raises(ChainError, match=says):
        steps(gadget)


@pytest.mark.parametrize("end", ["reader", "writer"])
def test_readers_and_writers_are_accepted_when_gadgetron_has_them(end):
    every = READERS if end == "reader" else WRITERS
    for kind in every:
        text = stream().replace(
            "<stream>", f"<{end}s><{end}><classname>{kind}</classname></{end}></{end}s><stream>"
        )
        assert parse(text) == []
    with pytest.raises(ChainError, match=f"no {end} of Gadgetron is called 'Acquisition'"):
        parse(text.replace(kind, "Acquisition"))


def test_what_others_may_run_runs_here_in_its_place():
    inner = "<gadget><classname>ComplexToFloatGadget</classname></gadget>"
    for how in ("puredistributed", "parallelprocess"):
        assert parse(stream(f"<{how}><purestream>{inner}</purestream></{how}>")) == [Step("Magnitude", {})]


def parallel(branch, merge, **streams):
    gadgets = {
        key: "".join(f"<gadget><classname>{kind}</classname></gadget>" for kind in kinds)
        for key, kinds in streams.items()
    }
    inner = "".join(f'<stream key="{key}">{said}</stream>' for key, said in gadgets.items())
    return stream(
        f"<parallel><branch><classname>{branch}</classname></branch>{inner}"
        f"<merge><classname>{merge}</classname></merge></parallel>"
    )


def test_fans_and_unordered_merges_are_branches():
    text = parallel("ImageFanout", "UnorderedMerge", a=[], b=["ComplexToFloatGadget"])
    assert parse(text) == [Fork({"a": [], "b": [Step("Magnitude", {})]})]


@pytest.mark.parametrize("where", ["cpu", "gpu"])
def test_images_and_weights_that_are_unmixed_are_grappa(where):
    streams = {"images": ["ImageAccumulator"], "weights": [f"{where}WeightsCalculator"]}
    assert parse(parallel("AcquisitionFanout", "Unmixing", **streams)) == [
        Step("Grappa", {}),
        Step("Combine", {}),
    ]
    with pytest.raises(ChainError, match=r"parallel ImageFanout \.\.\. Unmixing"):
        parse(parallel("ImageFanout", "Unmixing", **streams))
    with pytest.raises(ChainError, match="no merge of Gadgetron is called 'Unmixer'; did you mean Unmixing"):
        parse(parallel("ImageFanout", "Unmixer", **streams))


def test_filters_of_three_axes_are_one_and_have_to_agree():
    axes = {f"filter{axis}_sigma": "1.5" for axis in ("RO", "E1", "E2")}
    (step,) = steps(("GenericReconKSpaceFilteringGadget", {"filterRO": "Gaussian", **axes}))
    assert step.parameters == {"shape": "gaussian", "sigma": 1.5}
    with pytest.raises(ChainError, match=r"filterE1_sigma: '2' differs from 1\.5"):
        steps(("GenericReconKSpaceFilteringGadget", {**axes, "filterE1_sigma": "2"}))


def test_a_property_can_make_another_step_of_a_gadget():
    kind = "GenericReconImageArrayScalingGadget"
    (constant,) = steps((kind, {"scalingFactor": "10.0", "use_constant_scalingFactor": "true"}))
    (found,) = steps((kind, {"scalingFactor": "5", "use_constant_scalingFactor": "false"}))
    assert (constant.name, constant.parameters["scale"]) == ("Convert", 10)
    assert (found.name, found.parameters) == ("AutoScale", {"percentile": 100, "usual": 5})


def test_channels_are_only_left_out_when_they_are_principal_components():
    assert steps(("PCACoilGadget", {})) == []
    assert steps(("PCACoilGadget", {}), ("CoilReductionGadget", {"coils_out": "8"})) == [
        Step("CompressCoils", {"channels": 8})
    ]
    with pytest.raises(ChainError, match="CoilReductionGadget without PCACoilGadget before it"):
        steps(("CoilReductionGadget", {"coils_out": "8"}))


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, None),
        ({"upstream_coil_compression_thres": "-1"}, None),
        ({"upstream_coil_compression_thres": "0.002"}, {"threshold": 0.002}),
        ({"upstream_coil_compression_thres": "0.002", "upstream_coil_compression": "false"}, None),
        ({"upstream_coil_compression_num_modesKept": "8"}, {"threshold": 0.0, "channels": 8}),
    ],
)
def test_eigenchannels_compress_before_k_space_is_complete_where_they_leave_any_out(properties, expected):
    before = steps(
        ("NoiseAdjustGadget", {}),
        ("AcquisitionAccumulateTriggerGadget", {}),
        ("BucketToBufferGadget", {}),
        ("GenericReconEigenChannelGadget", properties),
    )
    names = [step.name for step in before]
    compressed = [] if expected is None else ["CompressCoils"]
    assert names == ["DetectSaturation", "Prewhiten", *compressed, "Accumulate"]
    assert [step.parameters for step in before if step.name == "CompressCoils"] == (
        [expected] if expected else []
    )


def test_a_chain_that_ends_with_noise_measures_it():
    assert steps(("NoiseAdjustGadget", {"noise_dependency_prefix": "GadgetronNoise"})) == [
        Step("MeasureNoise", {})
    ]


def test_a_gadget_that_lacks_what_it_stands_behind_is_refused():
    with pytest.raises(ChainError, match="BucketToBufferGadget without AcquisitionAccumulateTriggerGadget"):
        steps(("BucketToBufferGadget", {}))


@pytest.mark.interop
@pytest.mark.skipif(
    not GADGETRON, reason="SCANSIDE_PEER_GADGETRON_CONFIGS names no folder of Gadgetron's files"
)
def test_every_configuration_of_gadgetron_is_read_and_built_or_refused_with_what_is_missing():
    files = sorted(Path(GADGETRON).rglob("*.xml"))
    files = [each for each in files if "onfiguration>" in each.read_text()]
    assert files
    for file in files:
        read(file.read_text())
        try:
            check(build(parse(file.read_text())), SOURCE)
        except ChainError as error:
            assert "needs what is not here" in str(error), file
    assert BRANCHES
    assert MERGES
