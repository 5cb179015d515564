"""Text files as editors and programs of all systems write them, as src/evaluate/text.rs reads them."""

from __future__ import annotations

import codecs
from pathlib import Path

#: what Windows' editors and PowerShell begin with; the codec of this name takes it off
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_of(path: Path) -> str:
    """UTF-8 with or without a byte order mark, or UTF-16 with one.

    Raises OSError, and UnicodeDecodeError where it is no text.
    """
    read = path.read_bytes()
    return read.decode("utf-16" if read.startswith(UTF_16) else "utf-8-sig")
