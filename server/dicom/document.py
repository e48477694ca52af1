"""Reports as Encapsulated PDF objects: the report's picture, its table of numbers, and what made them."""

import hashlib
import io
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from PIL import Image as Picture
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from gadgets.data import Image
from server.dicom import codes
from server.dicom.capture import is_capture, picture
from server.dicom.derived import settled
from server.dicom.numbers import Measurement, Numbers, carries, numbers
from server.dicom.study import NUMBERS, WARNING, Source
from server.dicom.uids import uid

WIDTH = 480
"""Of pictures on a page [points]."""


def document(images: Sequence[Image], source: Source, number: int) -> Dataset:
    """The report of the pictures and numbers of one series.

    Raises DicomError when numbers cannot be read.
    """
    said = [numbers(each) for each in images if carries(each)]
    title = next((each.title for each in said), "Report")
    data = _pdf(title, images, said, source)
    series = int(images[0].head["image_series_index"]) + NUMBERS["document"]
    out = Dataset()
    out.SOPClassUID = EncapsulatedPDFStorage
    out.SOPInstanceUID = uid("document", source.series(series), number, hashlib.sha256(data).hexdigest())
    out.Modality, out.InstanceNumber, out.ConversionType = "DOC", number, "WSD"
    out.AcquisitionDateTime = f"{source.identity.study_date}{source.identity.study_time}"
    out.BurnedInAnnotation, out.DocumentTitle = "NO", f"{title}, {WARNING}"
    out.ConceptNameCodeSequence, out.SoftwareVersions = [], source.versions(images)
    out.MIMETypeOfEncapsulatedDocument = "application/pdf"
    out.EncapsulatedDocumentLength = len(data)
    out.EncapsulatedDocument = data + b"\0" * (len(data) % 2)
    made = settled(out, source, series, title)
    return made


def _pdf(title: str, images: Sequence[Image], said: Sequence[Numbers], source: Source) -> bytes:
    """The same bytes for the same report; no identifier of a patient stands in it."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

    styles = getSampleStyleSheet()
    story: list[Any] = [Paragraph(escape(title), styles["Title"])]
    story.append(Paragraph(WARNING.upper(), styles["Heading3"]))
    for each in said:
        story += [Paragraph(escape(flag), styles["Normal"]) for flag in each.flags]
        story += [_table(each), Spacer(0, 12)] if each.measurements else []
    story += [_shown(each) for each in images if is_capture(each)]
    story.append(Paragraph(escape("; ".join(source.versions(images))), styles["Normal"]))
    out = io.BytesIO()
    SimpleDocTemplate(out, pagesize=A4, title=title, invariant=1).build(story, _warned, _warned)
    return out.getvalue()


def _table(said: Numbers) -> Any:  # noqa: ANN401 - reportlab has no types
    from reportlab.lib import colors
    from reportlab.platypus import Table

    rows = [("quantity", "where", "value", "unit")]
    for site, found in said.by_site():
        where = codes.site(site).meaning if site else ""
        rows += [(_name(each), where, f"{each.value:.4g}", each.unit) for each in found]
    return Table(rows, repeatRows=1, style=[("GRID", (0, 0), (-1, -1), 0.25, colors.grey)])


def _name(each: Measurement) -> str:
    meaning = codes.quantity(each.quantity).meaning
    return f"{meaning}, {each.statistic}" if each.statistic else meaning


def _shown(image: Image) -> Any:  # noqa: ANN401 - reportlab has no types
    from reportlab.platypus import Image as Drawing

    shown = picture(image)
    out = io.BytesIO()
    Picture.fromarray(shown).save(out, "PNG")
    out.seek(0)
    height = min(WIDTH * shown.shape[0] / shown.shape[1], 600.0)
    return Drawing(out, width=height * shown.shape[1] / shown.shape[0], height=height)


def _warned(canvas: Any, page: Any) -> None:  # noqa: ANN401 - reportlab has no types
    """Say on every page what it must not be used for."""
    canvas.setFont("Helvetica-Bold", 10)
    canvas.drawCentredString(page.pagesize[0] / 2, 24, WARNING.upper())
