"""Train a network on a YOLO-format set.

A run lives in a folder: `last.pt` (everything needed to go on), and for each of its networks
`NAME.safetensors` and `NAME.png` (its curves); `log.csv`, `options.json`. Start the same
command again to resume.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from . import checkpoint
from .augment import Augmented, Batches, collate
from .boxes import Outputs
from .close_looks import CloseLooks, Kind, Shares, kinds_of
from .dataset import ALL_HALVINGS, DataError, DataSet, Picture, above_zero, at_least_one, existing, size_of
from .hard_faces import hard_faces, kept
from .history import History, plot
from .labels import Vocabulary
from .linked import sources_of
from .loss import Lesson, Parts, Targets, Weights, detection_loss, distillation_loss
from .members import Member, roles, translated
from .network import SCALES, STRIDES
from .options import PRESETS, Options
from .parallel import ALONE, Peers, run_in
from .progress import progress
from .weights import load_weights, read_checkpoint, save_weights

#: A process has at least so many pictures of a batch: norms see those alone.
LEAST_PART = 8


class Trainer:
    """The networks of a run and its progress: what a checkpoint holds."""

    def __init__(self, options: Options, words: Vocabulary, peers: Peers = ALONE, terms: dict | None = None):
        torch.manual_seed(options.seed)
        self.options, self.peers = options, peers
        self.terms = terms or checkpoint.terms(options, words)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        values = options.lr, options.weight_decay, self.device
        self.members = [Member(plan, words, *values) for plan in options.networks]
        self.epoch = self.step = 0
        self.seconds = 0.0
        #: of the weights it started from: a run that refines another draws other samples
        self.origin = ""

    @property
    def students(self) -> list[Member]:
        """Those that are trained for their own sake."""
        return [member for member in self.members if not member.plan.teaches]

    def save(self, path: Path) -> None:
        """The checkpoint, and beside it the weights of each network."""
        state = {
            "members": {member.plan.name: member.state() for member in self.members},
            "progress": (self.epoch, self.step, self.seconds),
            "rng": torch.get_rng_state(),
            "origin": self.origin,
            "terms": self.terms,
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, path)  # a run that is killed here keeps the old checkpoint
        self.save_weights(path.parent)

    def save_weights(self, folder: Path) -> None:
        for member in self.members:
            save_weights(folder / f"{member.plan.name}.safetensors", member.average, member.names)

    def load(self, path: Path) -> None:
        state = read_checkpoint(path, self.device)
        checkpoint.check(path, state, self.terms)
        for member in self.members:
            member.load(state["members"][member.plan.name])
        self.epoch, self.step, self.seconds = state["progress"]
        torch.set_rng_state(state["rng"].cpu())
        self.origin = state["origin"]

    def start_from(self, path: Path) -> None:
        """Other weights' values, as far as they fit: a network with less parts takes what it has, one of
        a wider scale what answers alike.

        A teacher of a run that has one starts from nothing.
        """
        stored = load_weights(path)
        self.origin = checkpoint.origin_of(path)
        told = (
            f"it tells {', '.join(stored.names)} apart"
            if stored.names
            else "nothing says what it tells apart"
        )
        for member in self.students:
            missing = member.start_from(stored)
            if missing and self.peers.leads:
                print(f"{path} has nothing for {member.plan.name} ({told}): {', '.join(missing)}", flush=True)

    def train_step(self, images: torch.Tensor, truth: Targets, share: float, started: float | None = None):
        """One step of all; returns the `Parts` of each loss. `seconds` is then how long ago
        `started` was, if given."""
        x = images.to(self.device).permute(0, 3, 1, 2).float().div_(255)
        x, truth = x.contiguous(memory_format=torch.channels_last), truth.to(self.device)
        teaching, parts = None, []
        for member in self.members:
            with torch.autocast(self.device.type, torch.bfloat16):
                outputs = member.network(x)
            weights = Weights(classes=self.options.class_weight, shares=self.options.shares_weight)
            loss, part = detection_loss(outputs, translated(truth, member.roles), weights)
            if teaching is not None:
                loss = loss + self.lesson(outputs, member, teaching, share)
            loss.backward()
            if member.plan.teaches:
                teaching = Answers(outputs, member)
            parts.append(part)
        elapsed = self.seconds if started is None else time.time() - started
        networks = [member.network for member in self.members]
        self.seconds = self.peers.average(networks, elapsed)
        lr = self.options.lr_at(share, self.step)
        self.step += 1
        for member in self.members:
            member.step(lr)
            member.update_average(self.options.ema, self.step)
        return parts

    def lesson(self, outputs: Outputs, member: Member, teaching: Answers, share: float) -> torch.Tensor:
        weight = self.options.lesson_at(share)
        lesson = Lesson(weight * self.options.class_weight, weight * Weights().distribution)
        # from the teacher's words to the student's, both in those of the set
        words = (teaching.member.roles.T @ member.roles).clamp(max=1)
        return distillation_loss(outputs, teaching.outputs, words, lesson)

    def done(self, minutes: float | None) -> float:
        """The share of the run that lies behind, 0 to 1."""
        return self.seconds / (minutes * 60) if minutes else self.epoch / self.options.epochs


@dataclass(frozen=True)
class Answers:
    """What a teacher says of a batch."""

    outputs: Outputs
    member: Member


@dataclass(frozen=True)
class Run:
    """What a run is given: it may be in several processes, the pictures are in memory once."""

    data: DataSet
    folder: Path
    options: Options
    #: length of the schedule, instead of the options' epochs
    minutes: float | None
    init: Path | None
    #: what a checkpoint must agree with
    terms: dict
    pictures: list[Picture]
    #: indices of pictures; one that is drawn twice as often is there twice
    draws: list[int]
    #: what close looks are at
    kinds: list[Kind]

    def train(self, peers: Peers) -> Trainer:
        trainer = Trainer(self.options, self.data.vocabulary, peers, self.terms)
        last = self.folder / "last.pt"
        if last.exists():
            trainer.load(last)
            if peers.leads:  # a run that was killed may have left none, or an earlier version broken ones
                trainer.save_weights(self.folder)
        elif self.init is not None:
            trainer.start_from(self.init)
        history = History(self.folder, self.data, self.options.size)
        done = trainer.done(self.minutes)
        if done >= 1 and peers.leads:
            history.complete(trainer.members, trainer.epoch, trainer.seconds)
        while done < 1:
            parts = train_epoch(trainer, self.pictures, self.draws, self.kinds, self.minutes)
            done = trainer.done(self.minutes)
            if peers.leads:
                trainer.save(last)
                for member, own in zip(trainer.members, parts):
                    history.log(member, trainer.epoch, trainer.seconds, own, final=done >= 1)
        if peers.leads:
            for member in trainer.members:
                plot(self.folder, member.plan.name)
        return trainer


def train(
    data: DataSet,
    folder: Path,
    options: Options,
    minutes: float | None = None,
    init: Path | None = None,
    processes: int = 1,
) -> Trainer | None:
    """Trains to the end of `options.epochs`, or of `minutes` if given; returns the only process's trainer.

    `processes` is how many there may be at most."""
    terms = checkpoint.terms(options, data.vocabulary) | checkpoint.of_run(data, minutes)
    check_first(data, options, folder / "last.pt", terms, init)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "options.json").write_text(json.dumps(asdict(options), indent=2) + "\n")
    pictures = data.load("train", ALL_HALVINGS)
    number = {picture.path: index for index, picture in enumerate(pictures)}
    draws = [number[path] for path in data.draws("train") if path in number]
    processes = shared(processes, min(options.batch, len(draws)))
    source_of = sources_of(data.root)
    plan = next(plan for plan in options.networks if not plan.teaches)
    told = roles(data.vocabulary, plan.names(data.vocabulary)).numpy()
    hard = hard_faces(pictures, draws, init, folder) if options.hard else ()
    shares = Shares(options.of_scenes, options.hard, options.of_nothing)
    kinds = kinds_of(pictures, draws, lambda path: source_of(path)[0], shares, told, hard)
    return run_in(processes, Run(data, folder, options, minutes, init, terms, pictures, draws, kinds).train)


def check_first(data: DataSet, options: Options, last: Path, terms: dict, init: Path | None) -> None:
    """What would end a run hours later, or make it another's, ends it before it reads its pictures."""
    data.vocabulary.check_words()
    check_classes(data.vocabulary, options)
    if next(data.pictures("val"), None) is None:
        raise data.unusable("val")
    if last.exists():
        checkpoint.check(last, read_checkpoint(last), terms, init)
        if options.hard:
            kept(last.parent)
    elif init is not None:
        load_weights(init)


def check_classes(words: Vocabulary, options: Options) -> None:
    """Whether the set has what each network is to tell apart."""
    for plan in options.networks:
        try:
            roles(words, plan.names(words))
        except DataError as error:
            has = ", ".join([*words.classes, *words.groups])
            others = ", ".join(key for key, o in PRESETS.items() if not any(p.classes for p in o.networks))
            raise DataError(
                f"{plan.name} is to tell {', '.join(plan.classes)} apart: {error}, which has {has}. "
                "Name it in `groups` of data.yaml, rename a class (prepare --map), or take a preset "
                f"that tells apart what the set does: {others}"
            ) from error


def train_epoch(
    trainer: Trainer,
    pictures: list[Picture],
    draws: Sequence[int],
    kinds: Sequence[Kind],
    minutes: float | None,
):
    """One pass; returns each network's `Parts`, step after step."""
    options, peers, share = trainer.options, trainer.peers, trainer.done(minutes)
    sizes = options.sizes_at(share)
    seed = f"{options.seed}/{trainer.origin}/{trainer.epoch}"
    loader = torch.utils.data.DataLoader(
        Augmented(pictures, options.mix_at(share), seed),
        batch_sampler=Batches(
            draws,
            options.batch,
            sizes,
            seed,
            options.samples,
            (peers.rank, peers.count),
            CloseLooks(options.close, kinds, options.close_size_at(share)),
        ),
        num_workers=max(1, min(8, os.cpu_count() or 1) // peers.count),
        collate_fn=collate,
    )
    for member in trainer.members:
        member.network.train()
    parts: list[list[Parts]] = []
    started = time.time() - trainer.seconds
    title = f"epoch {trainer.epoch + 1} at {max(sizes)[0]}x{max(sizes)[1]}"
    for images, truth in progress(loader, title) if peers.leads else loader:
        within = len(parts) / len(loader) / options.epochs
        now = trainer.done(minutes) if minutes else share + within
        parts.append(trainer.train_step(images, truth, now, started))
        if minutes and trainer.done(minutes) >= 1:
            break
    trainer.epoch += 1
    return list(zip(*parts))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, help="data.yaml of a YOLO-format set")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; resumed if it exists")
    parser.add_argument("--preset", choices=PRESETS, default="best")
    parser.add_argument("--scale", choices=SCALES, help="network scale (default: the preset's, n)")
    parser.add_argument(
        "--levels", type=int, nargs="+", choices=STRIDES, help="strides of the heads (default: the preset's)"
    )
    parser.add_argument("--size", type=size_of, help="input in pixels, as 288x192 or 160")
    parser.add_argument("--epochs", type=at_least_one)
    parser.add_argument("--batch", type=at_least_one)
    parser.add_argument("--lr", type=above_zero)
    parser.add_argument(
        "--minutes", type=above_zero, help="end the schedule after this time instead of epochs"
    )
    parser.add_argument(
        "--init", type=existing, help="start from these weights (.pt or .safetensors), of scale n also for s"
    )
    parser.add_argument(
        "--processes",
        type=at_least_one,
        default=1,
        help="share each batch; as many as there are cores is fastest",
    )
    parser.add_argument("--seed", type=int, help="of order and augmentation; another one for another run")


def with_network(options: Options, values: dict) -> Options:
    """Other networks than the preset's. A teacher stays what it is but for its levels, which are those of its
    students: to each cell of theirs it has an answer."""
    levels = {key: value for key, value in values.items() if key == "levels"}
    plans = (
        replace(plan, network=replace(plan.network, **(levels if plan.teaches else values)))
        for plan in options.networks
    )
    return replace(options, networks=tuple(plans))


def shared(processes: int, batch: int) -> int:
    """In how many processes a batch is worked at, of those that are asked for."""
    most = max(1, batch // LEAST_PART)
    if processes > most:
        print(f"--processes {processes}: a batch of {batch} is shared by {most}, {LEAST_PART} pictures each")
    return max(1, min(processes, most))


def run(args: argparse.Namespace) -> None:
    options = PRESETS[args.preset]
    named = {"scale": args.scale, "levels": args.levels and tuple(args.levels)}
    try:
        options = with_network(options, {key: value for key, value in named.items() if value})
    except ValueError as error:
        raise DataError(str(error)) from error
    given = {key: getattr(args, key) for key in ("size", "epochs", "batch", "lr", "seed")}
    options = replace(options, **{key: value for key, value in given.items() if value is not None})
    for plan in options.networks:
        if not plan.teaches and (words := plan.network.too_near(options.size)):
            print(f"{plan.name}: {words}", flush=True)
    data = DataSet.open(args.data)
    train(data, args.out, options, args.minutes, args.init, args.processes)
