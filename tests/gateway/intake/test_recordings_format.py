from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UploadRefusedError
from gateway.intake.recordings_format import Codec, verify_beginning, wav_seconds
from tests.gateway.intake.uploading import wav

BEGINNINGS = {
    Codec.WAV: b"RIFF\x24\x08\x00\x00WAVEfmt ",
    Codec.MP3: b"ID3\x04\x00\x00\x00\x00\x00\x21TSSE",
    Codec.OGG: b"OggS\x00\x02" + bytes(20),
    Codec.AMR: b"#!AMR\n\x3c\x91\x17\x16\xbe\x66",
}


@pytest.mark.parametrize("codec", BEGINNINGS)
def test_each_codec_is_known_by_its_first_bytes_and_by_no_others(codec: Codec) -> None:
    for other, head in BEGINNINGS.items():
        if other is codec:
            verify_beginning(codec, head)
        else:
            with pytest.raises(UploadRefusedError, match="RECORDING_TYPE"):
                verify_beginning(codec, head)


def test_a_bare_frame_of_layer_three_is_mp3_and_other_layers_are_not() -> None:
    verify_beginning(Codec.MP3, b"\xff\xfb\x90\x64" + bytes(8))
    for head in (b"\xff\xfd\x90\x64", b"\xff\xfb\xf0\x64", b"\xff\xfb\x9c\x64", b"MZ\x90\x00"):
        with pytest.raises(UploadRefusedError):
            verify_beginning(Codec.MP3, head + bytes(8))


@given(st.integers(min_value=0, max_value=20_000))
def test_a_wav_says_how_long_it_lasts(milliseconds: int) -> None:
    content = wav(milliseconds / 1000)

    found = wav_seconds(content[:64], len(content))

    assert found is not None
    assert abs(found - Decimal(milliseconds) / 1000) <= Decimal("0.001")


def test_a_wav_whose_writer_did_not_know_its_end_lasts_to_the_end_of_the_file() -> None:
    for length in (0, 0xFFFFFFFF):
        content = wav(3, length=length)
        assert wav_seconds(content, len(content)) == 3


def test_a_wav_that_claims_more_than_it_has_lasts_as_long_as_it_is() -> None:
    content = wav(3, length=8000 * 300)

    assert wav_seconds(content, len(content)) == 3


def test_a_broken_header_says_nothing() -> None:
    assert wav_seconds(b"RIFF\x00\x00\x00\x00WAVE", 1000) is None
    assert wav_seconds(wav(1)[:20], 1000) is None


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader_of_headers(content: bytes) -> None:
    wav_seconds(b"RIFF\x00\x00\x00\x00WAVE" + content, 1_000_000)
