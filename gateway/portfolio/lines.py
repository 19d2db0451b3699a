"""Decoded lines of a case file: finds the encoding, keeps memory bounded, names a bad line."""

import io
import re
from collections.abc import Iterator
from typing import BinaryIO, NoReturn

from gateway.portfolio.errors import PortfolioFileError

MAX_LINE_BYTES = 1 << 20
"""The longest physical line, in bytes."""

_BLOCK_BYTES = 1 << 18
_UTF8_BOM = b"\xef\xbb\xbf"
_SAVE_AS = "Save it as CSV in UTF-8 (or GB18030), or as one JSON object a line."
# What a file begins with when it is not text of ours; the order matters (UTF-32 before UTF-16).
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "This is an XLSX workbook or another archive, not a text file."),
    (b"\xd0\xcf\x11\xe0", "This is an old Excel workbook (XLS), not a text file."),
    (b"\x1f\x8b", "This is a compressed file, not a text file."),
    (b"%PDF", "This is a PDF document, not a text file."),
    (b"\xff\xfe\x00\x00", "This file is in UTF-32."),
    (b"\xff\xfe", "This file is in UTF-16."),
    (b"\xfe\xff", "This file is in UTF-16."),
)
_UTF8_HAN = re.compile(rb"[\xe3-\xe9][\x80-\xbf]{2}")
# Five UTF-8 Han characters between ASCII bytes. GB18030 text gives this by chance about once in
# 10**10 cells, while a pasted-in UTF-8 line of a case file (an address is enough) always does.
_UTF8_RUN = re.compile(rb"(?<![\x80-\xff])(?:[\xe4-\xe9][\x80-\xbf]{2}){5,}(?![\x80-\xff])")
_NON_ASCII = bytes(range(0x80, 0x100))


def guess_encoding(sample: bytes) -> str:
    """Name the encoding of a block of whole lines that has at least one byte above 127.

    Returns ``utf-8`` or ``gb18030``. GB18030 gives a meaning to most byte sequences, so a UTF-8
    file with one broken byte would also decode as GB18030, into nonsense. Hence a block in which
    half of the high bytes form UTF-8 Han characters is called UTF-8, and decoding it then fails.
    """
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError:
        high = len(sample) - len(sample.translate(None, _NON_ASCII))
        return "utf-8" if 6 * len(_UTF8_HAN.findall(sample)) >= high else "gb18030"
    return "utf-8"


class LineSource:
    """The decoded lines of one open binary file, each with its line feed, in order.

    The encoding is settled by the first block that is not plain ASCII; from there on every block
    must decode in it. At most one line and one block are in memory.
    """

    __slots__ = ("_file", "_line_of_block", "bytes_read", "encoding")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._line_of_block = 1
        self.bytes_read = 0
        self.encoding = "ascii"

    def __iter__(self) -> Iterator[str]:
        """Yield the lines.

        Raises:
            PortfolioFileError: the bytes are not text, not in one encoding, or a line is too long.
        """
        # Cutting at b"\n" is safe in both encodings: neither uses 0x0A inside a character.
        rest = b""
        first = True
        while chunk := self._file.read(_BLOCK_BYTES):
            if first:
                chunk = self._without_signature(chunk)
                first = False
            self.bytes_read += len(chunk)
            if b"\x00" in chunk:
                raise PortfolioFileError("This file is in UTF-16, or binary.", _SAVE_AS)
            block = rest + chunk
            self._verify_first_line(block)
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            if end:
                yield from self._decoded(block[:end])
        if rest:
            yield from self._decoded(rest)

    def _without_signature(self, chunk: bytes) -> bytes:
        for signature, problem in _SIGNATURES:
            if chunk.startswith(signature):
                raise PortfolioFileError(problem, _SAVE_AS)
        if chunk.startswith(_UTF8_BOM):
            self.encoding = "utf-8"
            self.bytes_read += len(_UTF8_BOM)
            return chunk[len(_UTF8_BOM) :]
        return chunk

    def _verify_first_line(self, block: bytes) -> None:
        # Only the first line of a block can be too long: a later one began inside this block.
        end = block.find(b"\n")
        if (len(block) if end < 0 else end) > MAX_LINE_BYTES:
            raise PortfolioFileError(
                f"Line {self._line_of_block} is longer than 1 MiB.",
                "Write one case a line, with line feeds between the lines.",
                line=self._line_of_block,
            )

    def _decoded(self, block: bytes) -> Iterator[str]:
        if self.encoding == "ascii" and not block.isascii():
            self.encoding = guess_encoding(block)
        try:
            text = block.decode(self.encoding)
        except UnicodeDecodeError as error:
            self._refuse(block, error.start)
        if self.encoding == "gb18030" and (stray := _UTF8_RUN.search(block)):
            self._refuse(block, stray.start())
        # newline="\n": no other character ends a line, and none is translated.
        yield from io.StringIO(text, newline="\n")
        self._line_of_block += block.count(b"\n")

    def _refuse(self, block: bytes, position: int) -> NoReturn:
        line = self._line_of_block + block.count(b"\n", 0, position)
        name = self.encoding.upper()
        # `from None`: the codec's own exception carries the bytes of the file.
        raise PortfolioFileError(
            f"Line {line} has a byte that is not {name}, though the file begins as {name}.",
            "Export the whole file again in one encoding.",
            line=line,
        ) from None
