"""The terms of objects: quantities, units, regions of the heart, statistics, each as a coded concept.

Codes as in DICOM PS3.16 (contexts 3717, 7464, 7469, 12200 and template 1500); what has no code there is ours,
of the private scheme ``99SCANSIDE``. Units are UCUM's.
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pydicom.sr.coding import Code

OURS = "99SCANSIDE"


class Concept(NamedTuple):
    """A code, the scheme that it is of, and what it means."""

    value: str
    scheme: str
    meaning: str

    def code(self) -> "Code":
        """As pydicom has it."""
        from pydicom.sr.coding import Code

        return Code(self.value, self.scheme, self.meaning)


def _table(rows: str) -> dict[str, Concept]:
    """Lines of name, scheme, value, meaning."""
    split = (line.split(maxsplit=3) for line in rows.strip().splitlines())
    return {name: Concept(value, scheme, meaning) for name, scheme, value, meaning in split}


QUANTITIES = _table("""
mbf          DCM  126390     Absolute Regional Blood Flow
vb           DCM  126391     Absolute Regional Blood Volume
mtt          DCM  113052     Mean Transit Time
ktrans       DCM  126312     Ktrans
ve           DCM  126314     ve
vp           DCM  126331     vp
gd           DCM  126377     Tracer Concentration
gadolinium   DCM  126377     Tracer Concentration
t1           DCM  113063     T1
t2           DCM  113065     T2
t2star       DCM  113064     T2*
adc          DCM  113041     Apparent Diffusion Coefficient
haematocrit  LN   20570-8    Hematocrit
heart_rate   LN   8867-4     Heart rate
wall_thickness  DCM  122445  Wall Thickness
wall_thickening  99SCANSIDE  wall_thickening  Wall Thickening
lv_strain_endocardial  99SCANSIDE  strain_endo  Peak Endocardial Circumferential Strain
lv_strain_midwall  99SCANSIDE  strain_midwall  Peak Midwall Circumferential Strain
lv_ef        LN   8811-2     Left ventricular ejection fraction by MR
lv_edv       LN   8821-1     Left Ventricular ED Volume
lv_esv       LN   8823-7     Left Ventricular ES Volume
lv_sv        SCT  90096001   Stroke Volume
lv_co        SCT  82799009   Cardiac Output
lv_mass      LN   18087-7    Left Ventricle Mass
rv_ef        LN   8818-7     Right ventricular ejection fraction by MR
rv_edv       LN   8822-9     Right Ventricular ED Volume
rv_sv        SCT  429483009  RV Stroke Volume
rv_co        SCT  428628004  RV Cardiac Output
rv_esv       99SCANSIDE  rv_esv  Right Ventricular ES Volume
mpr          99SCANSIDE  mpr     Myocardial Perfusion Reserve
ps           99SCANSIDE  ps      Permeability Surface Area Product
visf         99SCANSIDE  visf    Interstitial Volume
delay        99SCANSIDE  delay   Bolus Delay
fit_error    99SCANSIDE  fit_error  Fit Error
bsa          99SCANSIDE  bsa     Body Surface Area
""")

REGIONS = _table("""
lv          SCT  87878005  Left ventricle
myocardium  SCT  49848007  Left Ventricle Myocardium
rv          SCT  53085002  Right ventricle
heart       SCT  80891009  Heart
""")
"""``lv`` and ``rv`` are the cavities, with what is in them."""

SEGMENTS = tuple(
    Concept(value, "SCT", f"left ventricle {meaning}".capitalize())
    for value, meaning in (
        ("264850008", "basal anterior segment"),
        ("396482007", "basal anteroseptal segment"),
        ("396646008", "basal inferoseptal segment"),
        ("264846001", "basal inferior segment"),
        ("396652009", "basal inferolateral segment"),
        ("396654005", "basal anterolateral segment"),
        ("264848000", "mid anterior segment"),
        ("396647004", "mid anteroseptal segment"),
        ("396649001", "mid inferoseptal segment"),
        ("264847005", "mid inferior segment"),
        ("396655006", "mid inferolateral segment"),
        ("396656007", "mid anterolateral segment"),
        ("264844003", "apical anterior segment"),
        ("264845002", "apical septal segment"),
        ("264849008", "apical inferior segment"),
        ("264853005", "apical lateral segment"),
        ("128564006", "apex"),
    )
)
"""The 17 segments of the American Heart Association, in their order (CID 3717)."""

STATISTICS = _table("""
mean    SCT  373098007  Mean
sd      SCT  386136009  Standard Deviation
median  SCT  373099004  Median
min     SCT  255605001  Minimum
max     SCT  56851009   Maximum
""")

PROCEDURES = _table("""
perfusion  DCM  122602     Myocardial Perfusion Analysis
function   DCM  122601     Ventricular Analysis
other      SCT  363679005  Imaging procedure
""")

FAMILIES = _table("""
learned    DCM  123110  Artificial Intelligence
classical  DCM  123104  Morphological Operations
""")
"""Kinds of algorithms (CID 7162)."""


def quantity(name: str) -> Concept:
    """What is measured; a private code for what has none in the table."""
    return QUANTITIES.get(name, Concept(name[:16], OURS, name.replace("_", " ")[:64]))


def unit(text: str) -> Concept:
    """A unit by its UCUM code; ``1`` for what has none."""
    known = {"1": "no units", "%": "percent", "{beats}/min": "beats per minute"}
    return Concept(text or "1", "UCUM", known.get(text or "1", text))


def region(name: str) -> Concept:
    """A region of the heart."""
    return REGIONS.get(name, Concept(name[:16], OURS, name.replace("_", " ")[:64]))


def site(name: str) -> Concept:
    """Where something was measured: a region, or ``aha:1`` to ``aha:17``."""
    kind, _, number = name.partition(":")
    if kind == "aha" and number.isdigit() and 1 <= int(number) <= len(SEGMENTS):
        return SEGMENTS[int(number) - 1]
    return region(name)
