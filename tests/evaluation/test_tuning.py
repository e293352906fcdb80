import xml.etree.ElementTree as ET

import numpy as np

from moe_nmt.evaluation.heat_map import Axis, heat_map
from moe_nmt.evaluation.multi_bleu import sentence_statistics
from moe_nmt.evaluation.rescoring import NBest
from moe_nmt.evaluation.tuning import surface

SVG = "{http://www.w3.org/2000/svg}"
REFERENCE = "a b c d e f"


def n_best() -> NBest:
    """Two sentences; a length penalty helps the first, coverage the second."""
    texts = [["a b", REFERENCE], ["a b x d e f", REFERENCE]]
    statistics = [[sentence_statistics(text, [REFERENCE]) for text in row] for row in texts]
    return NBest(
        log_p=np.array([[-2.0, -2.9], [-2.0, -2.2]]),
        lengths=np.array([[3, 7], [7, 7]]),
        coverage=np.array([[0.0, 0.0], [-1.0, 0.0]]),
        statistics=np.array(statistics),
    )


def test_the_surface() -> None:
    found = surface(n_best(), [0.0, 1.0], [0.0, 0.1, 0.5], "multi-bleu")
    assert found.best == (1.0, 0.5, 100.0)
    low, high = found.bleu[0, 0], found.bleu[0, 2]
    assert found.bleu[0].tolist() == [low, low, high]
    assert low == found.as_decoded < high < 100
    assert found.bleu[1, 0] == found.bleu[1, 1] < 100 == found.bleu[1, 2]
    assert (found.sentences, found.hypotheses) == (2, 4)
    assert str(found).splitlines() == [
        "alpha \\ beta      0    0.1     0.5",
        f"0             {low:5.2f}  {low:5.2f}  {high:6.2f}",
        f"1             {found.bleu[1, 0]:5.2f}  {found.bleu[1, 0]:5.2f}  100.00",
        "multi-bleu, 4 hypotheses of 2 sentences",
        f"as decoded: BLEU {found.as_decoded:.2f}",
        "best: alpha 1, beta 0.5: BLEU 100.00",
    ]
    assert found.as_json()["bleu"] == found.bleu.tolist()
    assert found.as_json()["best"] == {"alpha": 1.0, "beta": 0.5, "bleu": 100.0}


def test_of_equal_settings_the_first() -> None:
    found = surface(n_best(), [2.0, 3.0], [1.0, 2.0], "multi-bleu")
    assert found.best[:2] == (2.0, 1.0)


def test_the_picture() -> None:
    figures = np.array([[1.0, 2.0, 1.5], [1.25, 3.0, 3.0]])
    picture = heat_map(figures, Axis("alpha", [0, 1]), Axis("b < c", [0, 0.5, 1]), "BLEU")
    root = ET.fromstring(picture)
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert words[:3] == ["BLEU", "b < c", "alpha"]
    assert words[3:8] == ["0", "0.5", "1", "0", "1"]
    assert words[8:] == ["1.00", "2.00", "1.50", "1.25", "3.00", "3.00"]
    _, *boxes, frame = root.iter(f"{SVG}rect")
    colors = [box.get("fill") for box in boxes]
    assert colors[0] == "rgb(255,250,240)"  # the lowest
    assert colors[4] == colors[5] == "rgb(246,178,107)"  # the highest
    assert len(set(colors)) == 5
    assert (frame.get("x"), frame.get("y")) == (boxes[4].get("x"), boxes[4].get("y"))
    places = [(int(box.get("x", "")), int(box.get("y", ""))) for box in boxes]
    assert places == [(70 + 54 * column, 70 + 30 * row) for row in (0, 1) for column in (0, 1, 2)]


def test_a_flat_surface_has_a_picture() -> None:
    picture = heat_map(np.ones((1, 2)), Axis("alpha", [0]), Axis("beta", [0, 1]), "BLEU")
    assert "nan" not in picture
