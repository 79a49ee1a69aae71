from xml.etree import ElementTree

import cv2
import numpy as np
import pandas as pd
import pytest

from kso_utils.core.errors import ConfigError, MediaCorrupt
from kso_utils.ui.pictures import draw_boxes, jpeg_size, legend

COLUMNS = ["x", "y", "width", "height", "label", "confidence", "kind"]


def jpeg(width=64, height=36, *flags):
    return cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8), list(flags))[1].tobytes()


def boxes(*rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(*rows, caption="frame 7"):
    return draw_boxes(jpeg(), boxes(*rows), caption)


def found(svg, name, kind):
    return [e for e in ElementTree.fromstring(svg).iter(name) if e.get("class") == kind]  # noqa: S314 - our own text


@pytest.mark.parametrize("flags", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
def test_the_size_is_read_from_the_header(flags):
    assert jpeg_size(jpeg(123, 45, *flags)) == (123, 45)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n", jpeg()[:20], b"\xff\xd8\xff", b"\xff\xd8\xff\xff\xff\xff"])
def test_what_is_no_jpeg_is_refused(data):
    with pytest.raises(MediaCorrupt, match="JPEG"):
        jpeg_size(data)


def test_a_box_lies_where_it_was_found():
    (box,) = found(draw((3, 4, 10, 8, "cod", 0.9, "model")), "rect", "box box-model")
    assert [float(box.get(k)) for k in ("x", "y", "width", "height")] == [3, 4, 10, 8]


def test_the_model_names_its_boxes_with_confidence():
    svg = draw((3, 4, 10, 8, "cod", 0.914, "model"), (3, 4, 10, 8, "cod", np.nan, "truth"))
    assert len(found(svg, "text", "name")) == 1
    assert 'aria-label="frame 7: cod 0.91"' in svg


def test_without_a_model_all_boxes_are_named():
    svg = draw((3, 4, 10, 8, "cod", None, "people"), (30, 4, 10, 8, "eel", np.nan, "truth"))
    assert 'aria-label="frame 7: cod, eel"' in svg


def test_a_picture_without_boxes_says_so():
    assert 'aria-label="frame 7: no boxes"' in draw()


def test_a_box_that_is_not_finite_is_left_out():
    assert not found(draw((np.nan, 4, 10, 8, "cod", 0.9, "model")), "rect", "box-halo")


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="guess"):
        draw((3, 4, 10, 8, "cod", 0.9, "guess"))


def test_names_stay_inside_the_picture():
    svg = draw_boxes(jpeg(640, 360), boxes((600, 0, 60, 360, "a long name of a fish", 0.9, "model")), "f")
    (back,) = found(svg, "rect", "name-back")
    assert float(back.get("x")) + float(back.get("width")) <= 640
    assert 0 <= float(back.get("y")) <= 360 - float(back.get("height"))


def test_a_hostile_label_is_text():
    svg = draw((3, 4, 10, 8, "<script>alert(1)</script>", 0.9, "model"), caption='"><img src=x>')
    ElementTree.fromstring(svg)  # noqa: S314 - our own text
    assert "<script" not in svg
    assert "<img" not in svg


def test_the_legend_names_the_kinds_that_are_shown():
    shown = legend({"model", "truth"})
    assert "found by the model" in shown
    assert "agreed by people" not in shown
