"""Configurations of Gadgetron, written here."""


def legacy(*gadgets):
    """The old dialect: a flat list; a gadget is (class, {property: value}) or (class, {...}, name)."""
    return f"<gadgetronStreamConfiguration>{''.join(map(_gadget, gadgets))}</gadgetronStreamConfiguration>"


def stream(*parts):
    """Version 2; a part that is a text is XML already."""
    inner = "".join(each if isinstance(each, str) else _gadget(each) for each in parts)
    return f"<configuration><version>2</version><stream>{inner}</stream></configuration>"


def _gadget(gadget):
    kind, properties, *name = gadget
    named = f"<name>{name[0]}</name>" if name else ""
    said = "".join(
        f"<property><name>{key}</name><value>{value}</value></property>" for key, value in properties.items()
    )
    return f"<gadget>{named}<dll>some_library</dll><classname>{kind}</classname>{said}</gadget>"


CARTESIAN = (
    ("NoiseAdjustGadget", {}),
    ("RemoveROOversamplingGadget", {}),
    ("AcquisitionAccumulateTriggerGadget", {"trigger_dimension": "repetition"}),
    ("BucketToBufferGadget", {"N_dimension": "contrast", "split_slices": "true"}),
    ("SimpleReconGadget", {}),
    ("ImageArraySplitGadget", {}),
    ("ExtractGadget", {}),
)
