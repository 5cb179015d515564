"""What a run is made of, and the presets."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from .augment import Mix
from .dataset import CLOSE, INPUT, Size
from .members import Plan
from .network import SHIPPED, Description


def stage_at(stages: tuple[tuple[float, Size], ...], share: float) -> Size | None:
    """The size of the stage that a run is in, none after the last."""
    return next((size for until, size in stages if share < until), None)


@dataclass(frozen=True)
class Options:
    """What a preset fixes. Shares are of the whole run, 0 to 1."""

    #: the first may teach those after it
    networks: tuple[Plan, ...] = (Plan(),)
    size: Size = INPUT
    epochs: int = 100
    #: pictures drawn in an epoch, 0: all
    samples: int = 0
    batch: int = 32
    lr: float = 2e-3
    weight_decay: float = 0.02
    #: (share of the run, size): training starts small, where a picture costs a quarter
    growing: tuple[tuple[float, Size], ...] = ((0.42, (128, 128)), (0.62, (192, 128)))
    #: smaller sizes that a share of the batches is drawn at once grown, so that the
    #: same weights can be exported at any of them; named several times, drawn as often
    also: tuple[Size, ...] = ()
    mosaic: float = 0.6
    mosaic_until: float = 0.8
    collage: float = 0.0
    #: share of the other pictures that fill the square as a letterboxed camera frame does
    letterboxed: float = 0.1
    #: weight of the class loss against the box losses
    class_weight: float = 0.5
    #: share of the batches that are close looks: at portraits, faces of scenes and places that are no faces
    close: float = 0.0
    #: share of the close looks that are at faces of scenes: few have a class, but all poses are there
    of_scenes: float = 0.12
    #: share of the close looks that are at those of them which the weights it starts from hardly see
    hard: float = 0.0
    #: share of the close looks that are at places that are no faces
    of_nothing: float = 0.13
    #: share of the close looks in which the face fills most of the look
    filling: float = 0.0
    #: (share of the run, size) of close looks, as `growing` has them; after it as the daemon looks
    close_growing: tuple[tuple[float, Size], ...] = ()
    #: weight of the loss that asks only which class a face has, not whether it is one
    shares_weight: float = 0.0
    warmup_steps: int = 300
    ema: float = 0.9992
    #: where a teacher's answers begin to be learnt, and where they count in full: a network
    #: that has learnt nothing yet teaches nothing
    lessons: tuple[float, float] = (0.15, 0.45)
    seed: int = 1

    def lesson_at(self, share: float) -> float:
        """How much a teacher's answers count, 0 to 1."""
        begin, full = self.lessons
        return min(max((share - begin) / max(full - begin, 1e-6), 0.0), 1.0)

    def sizes_at(self, share: float) -> tuple[Size, ...]:
        """The sizes that batches are drawn at, each as often as it is named."""
        growing = stage_at(self.growing, share)
        return (growing,) if growing else (self.size, self.size, *self.also)

    def close_size_at(self, share: float) -> Size:
        return stage_at(self.close_growing, share) or CLOSE

    def mix_at(self, share: float) -> Mix:
        late = self.mosaic / 4 if share < (1 + self.mosaic_until) / 2 else 0.0
        mosaic = self.mosaic if share < self.mosaic_until else late
        return Mix(mosaic, self.collage, self.letterboxed, self.filling)

    def lr_at(self, share: float, step: int) -> float:
        """Linear warm-up, cosine to a hundredth."""
        cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(share, 1)))
        return self.lr * min(1, (step + 1) / self.warmup_steps) * cosine


#: One level of the head, as its students have: then every cell of theirs has an answer.
TEACHER = Plan("teacher", Description(scale="s", levels=SHIPPED.levels), rate=0.8, teaches=True)
STUDENT = Plan("expression-yolo12n", classes=("happy", "not_happy"))
SEVEN = Plan("expression-yolo12n-7")

#: What goes on from good weights with single faces, as the daemon looks at them: first in tiles
#: of little more than half a look's pixels, so that more faces are seen in the time.
CLOSE_LOOKS = Options(
    networks=(STUDENT,),
    epochs=120,
    samples=12800,
    batch=128,
    lr=1.5e-3,
    growing=(),
    also=((224, 224), (192, 128), (192, 128), CLOSE),
    mosaic=0.1,
    collage=0.2,
    letterboxed=0.4,
    class_weight=2.5,
    close=0.95,
    of_scenes=0.5,
    hard=0.15,
    of_nothing=0.2,
    filling=0.6,
    close_growing=((0.6, (96, 96)),),
    shares_weight=1.0,
    warmup_steps=100,
    ema=0.998,
)

PRESETS = {
    # exactly the published study's recipe
    "paper": Options(
        networks=(Plan(network=Description(act="silu")),),
        size=(640, 640),
        epochs=100,
        batch=4,
        lr=1e-3,
        weight_decay=5e-4,
        growing=(),
        mosaic=1.0,
        mosaic_until=0.9,
    ),
    # from nothing to good boxes
    "best": Options(),
    # boxes are learnt long before smiles are: less mosaic, near faces as the camera
    # shows them, and a class loss that counts; places that are no faces (`negative`) are
    # shown as closely as the daemon looks
    "refine": Options(
        epochs=60,
        lr=1.2e-3,
        growing=(),
        also=((192, 128), CLOSE),
        mosaic=0.35,
        letterboxed=0.4,
        class_weight=1.5,
        close=0.2,
    ),
    # the shipped models: scenes, from weights that know faces; all from one set of seven
    # classes, with a teacher that begins with nothing
    "scenes": Options(
        networks=(TEACHER, STUDENT, SEVEN),
        epochs=206,
        samples=6400,
        batch=256,
        lr=3e-3,
        growing=((0.12, (192, 128)),),
        also=(INPUT, (224, 224), (192, 128), CLOSE),
        mosaic=0.25,
        collage=0.2,
        letterboxed=0.4,
        class_weight=1.2,
        warmup_steps=250,
        ema=0.999,
    ),
    # what `scenes` ends with goes on as close looks: classes are learnt from faces that have
    # the pixels for it, and hardly from the small ones that scenes are full of
    "close": CLOSE_LOOKS,
    # most of all where there are many classes to tell apart
    "expressions": replace(
        CLOSE_LOOKS,
        networks=(SEVEN,),
        lr=2.5e-3,
        class_weight=1.2,
        close=0.97,
        of_scenes=0.15,
        hard=0.0,
        of_nothing=0.13,
        # read where they have most pixels: from one and a half times the face
        filling=0.7,
        close_growing=((0.7, (96, 96)),),
    ),
}
