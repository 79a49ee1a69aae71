import av
import numpy as np
import pytest

from kso_utils.media.containers.payloads import Layout, find_blemish, find_layout

LENGTHS, CODES = Layout(4), Layout(0)
UNIT = bytes(range(1, 200))


def packet(*units):
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


@pytest.mark.parametrize("kind", ["closed", "hevc", "transport", "matroska", "avi", "mpeg2"])
def test_packets_of_encoders_have_no_blemish(make, kind):
    with av.open(str(make(kind))) as container:
        stream = container.streams.video[0]
        layout = find_layout(stream.codec_context.name, stream.codec_context.extradata)
        found = [find_blemish(bytes(p), layout, p.pos, kind == "mpeg2") for p in container.demux(stream) if p.size]
    assert found == [None] * len(found)


def test_the_layout_is_read_from_what_comes_before_the_packets(make):
    def layout(kind):
        with av.open(str(make(kind))) as container:
            context = container.streams.video[0].codec_context
            return find_layout(context.name, context.extradata)

    found = [layout(kind) for kind in ("closed", "hevc", "transport", "avi")]
    assert found == [LENGTHS, LENGTHS, CODES, None]


@pytest.mark.parametrize(
    ("data", "zeros"),
    [
        (packet(UNIT) + b"\0", True),
        (packet(UNIT)[:-1], False),
        (packet(UNIT[:50] + bytes(3) + UNIT), True),
        (packet(UNIT[:50] + b"\0\0\2" + UNIT), False),
        (packet(UNIT, b""), True),
    ],
)
def test_units_that_no_encoder_writes(data, zeros):
    found = find_blemish(data, LENGTHS, None)
    assert (found.zeros, found.certain) == (zeros, True)


def test_whole_units_are_good():
    assert find_blemish(packet(UNIT, UNIT + b"\0\0\3\1", b"\x09"), LENGTHS, None) is None


def test_start_codes_may_have_zeros_around_them_but_not_many():
    assert find_blemish(b"\0\0\0\1" + UNIT + bytes(9) + b"\1" + UNIT, CODES, None) is None
    assert find_blemish(b"\0\0\0\1" + UNIT + bytes(90) + UNIT, CODES, None).zeros


@pytest.mark.parametrize(("start", "certain"), [(512, True), (511, True), (700, False)])
def test_zeros_of_other_codecs_are_certain_where_whole_sectors_are_gone(start, certain):
    noise = np.random.default_rng(0).integers(1, 256, 4096, dtype=np.uint8).tobytes()
    size = 1025 if start == 511 else 1024
    data = noise[:start] + bytes(size) + noise[start + size :]
    found = find_blemish(data, None, 8192)
    assert (found.at, found.zeros, found.certain) == (start, True, certain)


def test_zeros_fill_up_the_room_before_a_start_code():
    data = UNIT + bytes(600) + b"\1" + UNIT
    assert find_blemish(data, None, None, mpeg=True) is None
    assert find_blemish(data, None, None).zeros
