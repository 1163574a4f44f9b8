"""SVG, PNG and plotly show the layout, and files appear whole or not at all."""

from __future__ import annotations

import html
import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib as mpl
import pytest
from drawing_graphs import NASBENCH201_OPS, TYPICAL, nasbench201

from optuna_nas.drawing import (
    Edge,
    Graph,
    Node,
    layout,
    save_picture,
    to_plotly,
    to_png,
    to_svg,
)

ODD = Graph(
    nodes=(Node("a", '<b> & $x_1$ -- "quoted"', "input"), Node("b", "two\nlines")),
    edges=(Edge("a", "b", "100% & <more>"),),
    title="<title> & more",
)


@pytest.mark.parametrize("name", TYPICAL)
def test_svg_parses_and_contains_every_label(name: str) -> None:
    root, texts = _parsed(to_svg(TYPICAL[name]))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    words = {word.rstrip(",") for text in texts for word in text.split()}
    labels = [node.label for node in TYPICAL[name].nodes]
    labels += [edge.label for edge in TYPICAL[name].edges]
    for label in labels:
        assert {word.rstrip(",") for word in label.split()} <= words


def test_svg_is_as_large_as_the_layout_in_a_browser() -> None:
    root, _ = _parsed(to_svg(nasbench201()))
    picture = layout(nasbench201())
    assert float(root.attrib["width"].removesuffix("pt")) * 96 / 72 == pytest.approx(picture.width)
    assert float(root.attrib["height"].removesuffix("pt")) * 96 / 72 == pytest.approx(
        picture.height
    )


def test_svg_of_odd_letters_parses() -> None:
    root, texts = _parsed(to_svg(ODD))
    assert "100% & <more>" in texts
    assert "<title> & more" in "".join(root.itertext())


@pytest.mark.parametrize("letter", ["\0", "\x1b", "\udcff", "\ufffe"])
def test_letters_that_cannot_be_drawn_are_spelled_out(letter: str) -> None:
    graph = Graph((Node("x", f"a{letter}b"),), (), title=f"c{letter}d")
    spelled = letter.encode("unicode_escape").decode()
    svg = to_svg(graph).encode().decode()
    assert ET.fromstring(svg) is not None
    assert f"a{spelled}b" in svg
    assert f"c{spelled}d" in svg
    assert to_png(graph)


def test_svg_is_the_same_every_time_and_tells_no_date() -> None:
    svg = to_svg(nasbench201())
    assert to_svg(nasbench201()) == svg
    assert "dc:date" not in svg


def test_svg_does_not_depend_on_the_settings_of_matplotlib() -> None:
    svg = to_svg(nasbench201())
    settings = {"font.size": 30, "patch.linewidth": 9, "axes.facecolor": "red", "figure.dpi": 300}
    with mpl.rc_context(settings):
        assert to_svg(nasbench201()) == svg


def test_pictures_can_be_drawn_by_threads() -> None:
    svg = to_svg(nasbench201())
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(to_svg, [nasbench201()] * 8)) == {svg}


@pytest.mark.parametrize("dpi", [96.0, 192.0])
def test_png_has_the_size_of_the_layout(dpi: float) -> None:
    png = to_png(nasbench201(), dpi=dpi)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    picture = layout(nasbench201())
    assert width == pytest.approx(picture.width * dpi / 96, abs=1)
    assert height == pytest.approx(picture.height * dpi / 96, abs=1)


@pytest.mark.parametrize("dpi", [0.0, -1.0, float("nan")])
def test_png_needs_a_positive_dpi(dpi: float) -> None:
    with pytest.raises(ValueError, match=rf"`dpi` must be positive, but got dpi={dpi!r}"):
        to_png(nasbench201(), dpi=dpi)


@pytest.mark.parametrize("name", TYPICAL)
def test_plotly_has_the_coordinates_of_the_layout(name: str) -> None:
    picture, figure = layout(TYPICAL[name]), to_plotly(TYPICAL[name])
    traces = list(figure.data)
    assert len(traces) == len(picture.arrows) + len(picture.boxes)
    for arrow, trace in zip(picture.arrows, traces, strict=False):
        assert tuple(zip(trace.x, trace.y, strict=True)) == arrow.line
    for box, trace in zip(picture.boxes, traces[len(picture.arrows) :], strict=True):
        assert tuple(zip(trace.x, trace.y, strict=True))[:-1] == box.outline()
    assert (figure.layout.width, figure.layout.height) == (picture.width, picture.height)
    assert figure.layout.xaxis.range == (0, picture.width)
    assert figure.layout.yaxis.range == (picture.height, 0)
    assert figure.layout.yaxis.scaleanchor == "x"


def test_plotly_tells_what_is_under_the_mouse() -> None:
    hover = [trace.text for trace in to_plotly(nasbench201()).data]
    assert f"0 → 1<br>{NASBENCH201_OPS[0]}" in hover
    assert "3<br>state 3" in hover


def test_plotly_writes_every_label_and_escapes_it() -> None:
    texts = {note.text for note in to_plotly(ODD).layout.annotations}
    assert "two<br>lines" in texts
    assert "100% &amp; &lt;more&gt;" in texts
    assert "<b>&lt;title&gt; &amp; more</b>" in texts


@pytest.mark.parametrize("suffix", [".svg", ".png", ".SVG"])
def test_save_picture_writes_by_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cell{suffix}"
    save_picture(nasbench201(), path)
    expected = to_png(nasbench201()) if suffix == ".png" else to_svg(nasbench201()).encode()
    assert path.read_bytes() == expected
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["cell.pdf", "cell", ".svg"])
def test_save_picture_refuses_other_suffixes(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"`path` must end in \.svg or \.png, but got .*"):
        save_picture(nasbench201(), tmp_path / name)


def test_save_picture_needs_a_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"existing folder.*make the folder .* first"):
        save_picture(nasbench201(), tmp_path / "missing" / "cell.svg")


def test_a_failed_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cell.svg"
    path.write_text("old")

    def fail(self: Path, target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_picture(nasbench201(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_import_loads_no_drawing_library() -> None:
    code = (
        "import sys, optuna_nas.drawing\n"
        "print(sorted({'matplotlib', 'networkx', 'optuna', 'plotly', 'torch'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _parsed(svg: str) -> tuple[ET.Element, list[str]]:
    """The root and the texts, which matplotlib notes as comments beside their paths."""
    builder = ET.TreeBuilder(insert_comments=True)
    root = ET.fromstring(svg, parser=ET.XMLParser(target=builder))
    comments = [node.text or "" for node in root.iter() if node.tag is ET.Comment]
    return root, [html.unescape(re.sub(r"\s+", " ", text)).strip() for text in comments]
