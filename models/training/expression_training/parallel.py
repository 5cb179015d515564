"""Training in several processes of one thread each.

Every process takes a part of each batch, and the gradients are averaged. On a few cores
that other programs want as well, this is several times faster than one process with as
many threads: threads wait for each other after every layer, processes once in a step.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as distributed
from torch import multiprocessing, nn
from torch.multiprocessing.spawn import ProcessException

from .labels import DataError

T = TypeVar("T")


class Peers:
    """This process among the others; alone unless `join` made it one of several."""

    def __init__(self, rank: int = 0, count: int = 1):
        self.rank, self.count = rank, count

    @property
    def leads(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    @torch.no_grad()
    def average(self, networks: Sequence[nn.Module], seconds: float) -> float:
        """Makes every gradient the mean of all processes'; returns the first one's `seconds`."""
        if self.count == 1:
            return seconds
        parameters = [p for network in networks for p in network.parameters()]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        clock = torch.tensor([seconds if self.leads else 0.0], device=gradients[0].device)
        flat = torch.cat([*(gradient.flatten() for gradient in gradients), clock])
        distributed.all_reduce(flat)
        seconds = float(flat[-1])
        for parameter, mean in zip(
            parameters, flat[:-1].div_(self.count).split([p.numel() for p in parameters])
        ):
            parameter.grad = mean.view_as(parameter)
        return seconds


#: A process that has no others
ALONE = Peers()


def run_in(processes: int, work: Callable[[Peers], T]) -> T | None:
    """Calls `work(peers)` in so many processes, or here if it is one (and returns its result).

    The processes are forked, so that the pictures which `work` refers to are in memory once.
    """
    if processes == 1:
        return work(ALONE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gc.freeze()  # a collection in one process would copy every page it marks
        given = (processes, folder, work)
        try:
            multiprocessing.start_processes(_join, given, nprocs=processes, start_method="fork")
        except ProcessException as error:
            if (folder / REFUSED).exists():
                raise DataError((folder / REFUSED).read_text(encoding="utf-8")) from error
            raise
    return None


#: for the first process, which validates alone while the others wait in their next step. Half an hour,
#: PyTorch's own, ends runs of large sets; that a process has died is noticed by whoever started it.
PATIENCE = timedelta(days=7)
#: where a process leaves what a set or its options lack: an exception arrives as its stack
REFUSED = "refused"


def _join(rank: int, processes: int, folder: Path, work: Callable[[Peers], object]) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    distributed.init_process_group("gloo", meeting, rank=rank, world_size=processes, timeout=PATIENCE)
    try:
        work(Peers(rank, processes))
    except DataError as error:
        (folder / REFUSED).write_text(str(error), encoding="utf-8", errors="backslashreplace")
        raise
    finally:
        distributed.destroy_process_group()
