import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kso_utils.media.complaints import find_leftovers
from kso_utils.media.containers.parameter_sets import heighten, heighten_packet, heighten_record

from ..conftest import SHARED, ffmpeg
from ..test_checks import overwrite, packets


def extradata(path):
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.extradata


def first_packet(path):
    with av.open(str(path)) as container:
        return bytes(next(container.demux(container.streams.video[0])))


def size_of(record, packet):
    """Decode one packet with another record: the size of its picture."""
    decoder = av.CodecContext.create("h264", "r")
    if record:
        decoder.extradata = record
    frames = [*decoder.decode(av.Packet(packet)), *decoder.decode(None)]
    return frames[0].width, frames[0].height


@pytest.mark.parametrize("size", ["160x120", "320x176", "130x98"])
def test_a_decoder_takes_the_pictures_for_one_row_of_blocks_higher(tmp_path, size):
    path = tmp_path / "a.mp4"
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25", "-frames:v", "3", "-c:v", "libx264", str(path))
    width, height = map(int, size.split("x"))
    taller = heighten_record(extradata(path))
    assert taller.columns == -(-width // 16)
    assert size_of(taller.data, first_packet(path)) == (width, height + 16)


def test_a_set_among_packets_is_made_taller_too(make):
    packet = first_packet(make("transport"))
    assert size_of(None, heighten_packet(packet).data) == (160, 136)


def test_interlaced_pictures_have_no_taller_set(tmp_path):
    path = tmp_path / "a.mp4"
    source = "testsrc2=size=160x128:rate=25"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "3", "-c:v", "libx264", "-x264-params", "tff=1", str(path))
    assert heighten_record(extradata(path)) is None


@given(st.binary(max_size=60))
def test_whatever_the_bytes_are_there_is_a_set_or_none(data):
    for change in (heighten, heighten_record, heighten_packet):
        taller = change(data)
        assert taller is None or taller.columns > 0
    heighten_record(b"\1\x64\0\x0a\xff\xe1\0\x19" + data)
    heighten_packet(b"\0\0\1\x67" + data)


@pytest.mark.parametrize("kind", ["closed", "open", "ntsc", "refresh", "matroska", "transport", "avi_b", "hevc", "avi"])
def test_good_pictures_end_where_their_data_does(make, kind):
    told = []
    find_leftovers(make(kind), told.append)
    assert told == []


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(p.name for p in SHARED.glob("*.mp4")))
def test_pictures_of_real_movies_end_where_their_data_does(name):
    told = []
    find_leftovers(SHARED / name, told.append)
    assert told == []


def test_a_picture_that_ends_elsewhere_is_located(movie):
    """Of the packets cut short inside, none may be taken for whole."""
    position, size, _ = packets(movie)[30]
    whole = movie.read_bytes()
    found = 0
    for at in range(20, size, max(1, size // 12)):
        told = []
        find_leftovers(overwrite(movie, position + at, bytes([whole[position + at] ^ 0x10])), told.append)
        found += [complaint.position for complaint in told] == [position]
        movie.write_bytes(whole)
    assert found >= 10
