"""Text of a history for a page, a picture or a terminal: names may hold anything, and no name may break what it stands in.

Control characters are shown as the picture Unicode has of them (␁), what XML cannot hold at all as the sign for a broken character, so
that neither an SVG becomes ill-formed nor a terminal obeys a name.
"""

from __future__ import annotations

import re
from html import escape as html_escape
from typing import Final

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 does not allow or discourages: control characters, half characters, non-characters."""
_PICTURES: Final = 0x2400
_REPLACEMENT: Final = "\ufffd"


def visible(text: str) -> str:
    """The same text with what cannot be printed made visible."""
    return _FORBIDDEN.sub(lambda found: _picture(ord(found[0])), text)


def line(text: str) -> str:
    """The same on one line of a terminal."""
    return visible(text.replace("\n", "\u240a").replace("\r", "\u240d"))


def escape(text: str) -> str:
    """Text as it stands in HTML and XML, in elements and in attributes."""
    return html_escape(visible(text))


def _picture(code: int) -> str:
    if code < 0x20:
        return chr(_PICTURES + code)
    return "\u2421" if code == 0x7F else _REPLACEMENT
