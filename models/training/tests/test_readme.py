"""Numbers that the README names are the code's."""

import math
from pathlib import Path

import pytest

from expression_training import blend, hard_faces
from expression_training.dataset import CLOSE, INPUT, LEAST_HELD, MOST_HELD, Size
from expression_training.network import SHIPPED
from expression_training.options import PRESETS
from expression_training.views import CLOSE_PIXELS, CLOSE_SHARE, FILLING_PIXELS

README = " ".join((Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8").split())
REFINE, LOOKS, SEVEN = (PRESETS[name] for name in ("refine", "close", "expressions"))
[(UNTIL, TILE)], [(SEVEN_UNTIL, SEVEN_TILE)] = LOOKS.close_growing, SEVEN.close_growing


def pixels(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


@pytest.mark.parametrize(
    "words",
    [
        f"one of more than {MOST_HELD:,} pixels is halved before",
        f"(or place that is none) would have fewer than {LEAST_HELD};",
        f"of one with stride 8 alone have {SHIPPED.reach} pixels at most",
        f"`refine` on portraits ({REFINE.close:.0%} of",
        f"{REFINE.of_scenes:.0%} of them at faces of scenes; not measured",
        f"one face in an input of {pixels(CLOSE)}, where a step costs a third of one at {pixels(INPUT)}.",
        f"In {LOOKS.filling:.0%} of the looks (`expressions` {SEVEN.filling:.0%}) it has "
        f"{FILLING_PIXELS[0]:.0f} to {FILLING_PIXELS[1]:.0f} pixels (`filling`)",
        f"In the others it has {CLOSE_PIXELS[0]:.0f} to {CLOSE_PIXELS[1]:.0f},",
        f"Of the looks {LOOKS.of_nothing:.0%} (`expressions` {SEVEN.of_nothing:.0%}) are shown a place that "
        "only looks like a face (`negatives.jsonl`), "
        f"{LOOKS.of_scenes:.0%} (`expressions` {SEVEN.of_scenes:.0%}) a face of a scene",
        f"Of those of scenes {LOOKS.hard:.0%} of all looks (`expressions` none) are at faces that",
        f"three and four times their size is below {hard_faces.SEEN}.",
        f"For the first {UNTIL:.0%} of the run (`expressions` {SEVEN_UNTIL:.0%}) they learn from tiles of "
        f"{pixels(TILE)} with",
        f"Every face of {blend.LEAST_SIDE} pixels or more that has a class is looked at by each network from "
        f"{blend.LOOKS[0]} and {blend.LOOKS[1]} times its width",
        f"if they have {blend.LEAST_AMONG} of it together. A face that they see with a mean confidence below "
        f"{blend.LEAST_SEEN} keeps its label",
        f"at most {CLOSE_SHARE:.0%} of the tile: it has {math.prod(TILE) / math.prod(CLOSE):.0%} of the",
    ],
)
def test_what_the_readme_says_of_presets_is_so(words):
    assert words.replace("%", " %") in README


def test_and_what_it_leaves_out():
    assert SEVEN_TILE == TILE and FILLING_PIXELS[1] == LEAST_HELD
    assert not REFINE.close_growing and not REFINE.filling and not REFINE.shares_weight
    assert LOOKS.shares_weight and SEVEN.shares_weight
    assert not SEVEN.hard and hard_faces.LOOKS == (1.5, 2, 3, 4)
