"""Check processor, memory and disk against what runs need."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

from benchmark.doctor.finding import Finding, note, ok, problem
from benchmark.output import spell_bytes
from benchmark.plan.workspace import Workspace
from benchmark.tracking.address import sqlite_file
from benchmark.tracking.speed import BUSY
from benchmark.training.device import resolve_device, resolve_precision
from benchmark.training.environment import processor_name
from benchmark.training.load import taken_now

MEMORY_NEEDED = 3 * 2**30  # about the peak of fine-tuning the embedded encoder
CACHE_NEEDED = 2 * 2**30  # 0.7 GiB of checkpoints while it is fine-tuned, 0.9 of features of the 50,000 reviews
STORE_NEEDED = 2**30  # 12 runs of profile `full`, half of which keep the encoder's 90 MB


def processor_findings(workspace: Workspace) -> Iterator[Finding]:
    """Name what computes, and in which precision."""
    device = resolve_device(workspace.device)
    precision = resolve_precision("auto", device)
    cores = psutil.cpu_count(logical=False) or os.cpu_count()
    features = {
        "avx512_bf16": torch.cpu._is_avx512_bf16_supported(),
        "amx": torch.cpu._is_amx_tile_supported(),
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    there = ", ".join(name for name, found in features.items() if found) or f"none of {', '.join(features)}"
    text = f"{processor_name()}, {cores} cores, {torch.get_num_threads()} threads, {there}; on {device.type}, "
    if (taken := taken_now(torch.get_num_threads())) > BUSY:
        yield note(f"other programs take {100 * taken:.0f} % of it now: `throughput` would mark its figures as busy")
    if precision == "bf16":
        yield ok(f"{text}precision `auto` is bf16")
    else:
        yield note(
            f"{text}precision `auto` is {precision}: runs are slower than in bf16, which needs a processor with "
            "avx512_bf16 or AMX or a CUDA card from Ampere on, and their figures differ slightly"
        )


def memory_findings() -> Iterator[Finding]:
    """Check the memory that other programs leave free."""
    memory = psutil.virtual_memory()
    text = f"{spell_bytes(memory.available)} of {spell_bytes(memory.total)} available"
    if memory.available >= MEMORY_NEEDED:
        yield ok(text)
    else:
        yield problem(
            f"{text}, and fine-tuning BERT needs about {spell_bytes(MEMORY_NEEDED)}",
            "close other programs, or leave it out: `python -m benchmark run rnn lstm bert-frozen`",
        )


def disk_findings(workspace: Workspace) -> Iterator[Finding]:
    """Check the free space; that of a store on a server is unknown."""
    yield _room("cache", workspace.cache_dir, CACHE_NEEDED, "--cache-dir")
    store = sqlite_file(workspace.tracking_uri)
    if store is not None:
        yield _room("store", store.parent, STORE_NEEDED, "--tracking-uri")


def _room(name: str, folder: Path, needed: int, option: str) -> Finding:
    """Check that the folder, or the one it is made in, can be written and has so many bytes."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        return problem(f"{name}: {there} is not a folder", f"name another by {option}")
    if not os.access(there, os.W_OK | os.X_OK):
        return problem(f"{name}: {there} cannot be written", f"change its permissions, or name another by {option}")
    free = shutil.disk_usage(there).free
    if free < needed:
        return problem(
            f"{name}: {spell_bytes(free)} free in {there}, and {spell_bytes(needed)} may be needed",
            f"free some, or name another folder by {option} (`run all --dry-run` says what these runs need)",
        )
    return ok(f"{name}: {spell_bytes(free)} free in {there}")
