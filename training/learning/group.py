"""The processes that train one network together, one per device, as torchrun starts them. Knows no recipe."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed.nn.functional  # before there is a group: see joined
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from training.errors import MissingDeviceError

Value = TypeVar("Value")
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Group:
    """A process by its number, `rank` of `world`; it computes on `device`."""

    rank: int = 0
    world: int = 1
    device: torch.device = CPU

    @property
    def first(self) -> bool:
        """Whether this process is the one that measures, shows and writes."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()

    def part(self, batch: Tensor) -> Tensor:
        """The share of a batch that is this process's: every world-th of its rows."""
        return batch[self.rank :: self.world]


@contextmanager
def joined(device: str) -> Iterator[Group]:
    """The group that torchrun's environment names, else this process alone. `device` is auto, cpu or cuda.

    Its threads end with it, if nothing holds a wrapped network then: one that still had a tensor in hand when Python
    ended would abort the process. torch's functional collectives keep the group that was there at their import as
    their default, for ever, and the first wrapper imports them: hence their import above, before any group.

    Raises MissingDeviceError.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    chosen = _device(device)
    if world == 1:
        yield Group(device=chosen)
        return
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Group(rank, world, chosen)
    finally:
        dist.destroy_process_group()


def together(network: nn.Module, group: Group) -> nn.Module:
    """A wrapper that averages gradients over the processes; the network itself where there is one.

    On GPUs batch normalisation measures the whole batch. On CPUs it measures this process's part: torch has no
    synchronised one there.
    """
    if group.world == 1:
        return network
    if group.device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call] # torch's own
    return DistributedDataParallel(network, device_ids=[group.device.index] if group.device.type == "cuda" else None)


def summed(values: Tensor, group: Group) -> Tensor:
    """Over the processes, in each of them."""
    if group.world > 1:
        dist.all_reduce(values)
    return values


def from_first(value: Value, group: Group) -> Value:
    """What the first process has, in each of them."""
    if group.world == 1:
        return value
    carried = [value]
    dist.broadcast_object_list(carried)
    return carried[0]


def gathered(value: Value, group: Group) -> list[Value]:
    """What each process has, by rank, in each of them."""
    if group.world == 1:
        return [value]
    values: list[Value | None] = [None] * group.world
    dist.all_gather_object(values, value)
    return values  # type: ignore[return-value] # filled by now


def _device(name: str) -> torch.device:
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    process, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if process >= gpus:
        raise MissingDeviceError(process, gpus)
    device = torch.device("cuda", process)
    torch.cuda.set_device(device)
    return device
