"""Small real files, made in the tests."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from fewtune.data.collectors.base import COLLECTORS, Document, Options

DOCUMENTS = Path(__file__).parents[4] / "examples" / "front_desk" / "documents"


def collect_with(name, path, shape=None, words=200, roles=None):
    """Return what one collector makes of a file."""
    options = Options(shape, words, roles or {})
    return COLLECTORS.load(name)().collect(Document(Path(path), Path(path).name), options)


def pdf_bytes(pages):
    """Return a PDF written by hand: pages of (text, left, height, size)."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for at, strings in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * at} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        drawn = "".join(
            f"BT /F1 {size} Tf 1 0 0 1 {left} {height} Tm ({text}) Tj ET\n"
            for text, left, height, size in strings
        ).encode()
        objects.append(b"<< /Length %d >>\nstream\n%sendstream" % (len(drawn), drawn))
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1))
    out.write(b"startxref\n%d\n%%%%EOF\n" % start)
    return out.getvalue()


def with_body(body, entities=""):
    """Return the bytes of a Word document with this body."""
    import docx

    plain = io.BytesIO()
    docx.Document().save(plain)
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    text = f"{entities}<w:document {space}><w:body>{body}</w:body></w:document>"
    out = io.BytesIO()
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as to:
        for name in source.namelist():
            to.writestr(name, text if name == "word/document.xml" else source.read(name))
    return out.getvalue()
