"""The picture of the simulated world and the page around it say the same of what is left out."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_tells_of_all_that_the_picture_leaves_out() -> None:
    page = (DOCS / "model.md").read_text()
    section = " ".join(page[page.index("## What is left out") : page.index("## Networks")].split())
    texts = [
        text for text in ET.parse(DOCS / "model.svg").iter("{http://www.w3.org/2000/svg}text") if text.get("class") == "gone"
    ]
    told = [part for text in texts for part in re.split(r", |: ", str(text.text))[1:]]
    assert len(told) >= 12
    assert [part for part in told if part not in section] == []
