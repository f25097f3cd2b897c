"""What a run computes on, in words that let another person compare times."""

import os
import platform
from pathlib import Path

import torch

from training.learning.group import Group


def hardware(group: Group) -> str:
    """As in `2 processes on 1 x NVIDIA H100` or `2 threads on AMD EPYC`."""
    if group.device.type == "cuda":
        return f"{group.world} x {torch.cuda.get_device_name(group.device)}"
    threads = f"{torch.get_num_threads()} threads on {_processor()}, {os.cpu_count()} CPUs"
    return threads if group.world == 1 else f"{group.world} processes of {threads}"


def _processor() -> str:
    """With its matrix unit, which multiplies bfloat16 several times as fast."""
    name = _stated("model name") or platform.processor() or platform.machine()
    return f"{name} with AMX" if "amx_bf16" in _stated("flags").split() else name


def _stated(key: str) -> str:
    """What Linux says about its first processor; nothing elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
