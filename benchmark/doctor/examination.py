"""Make all checks in turn; one that cannot be made is a problem itself, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmark.doctor import cache, inputs, machine, start
from benchmark.doctor.finding import PROBLEM, Finding, problem
from benchmark.doctor.store import Recorded, check_store, file_findings, run_findings
from benchmark.doctor.versions import version_findings
from benchmark.plan.workspace import Workspace
from data_pipeline.errors import InputError


def examine(workspace: Workspace) -> Iterator[tuple[str, Finding]]:
    """Yield the name of each check with each of its findings, as it is found."""
    runs: list[Recorded] | None = None

    def store_findings() -> Iterator[Finding]:
        nonlocal runs
        finding, runs = check_store(workspace.tracking_uri)
        yield finding

    for name, findings in (
        ("versions", version_findings()),
        ("user", start.user_findings()),
        ("working folder", start.folder_findings(Path.cwd())),
        ("processor", machine.processor_findings(workspace)),
        ("memory", machine.memory_findings()),
        ("disk", machine.disk_findings(workspace)),
        ("reviews", inputs.embedded_findings()),
        ("official reviews", inputs.official_findings(workspace.place)),
        ("challenge sets", inputs.challenge_findings(workspace.place)),
        ("encoder", inputs.encoder_findings()),
        ("store", store_findings()),
        ("cache", cache.entry_findings(workspace.cache_dir)),
    ):
        yield from _named(name, findings)
    if runs is not None:
        yield from _named("runs", run_findings(runs, workspace.locks))
        yield from _named("runs", file_findings(runs))
    yield from _named("checkpoints", cache.checkpoint_findings(workspace, runs))


def _named(name: str, findings: Iterator[Finding]) -> Iterator[tuple[str, Finding]]:
    try:
        for finding in findings:
            yield name, finding
    except InputError as error:
        yield name, Finding(PROBLEM, str(error))  # such an error says what to do
    except OSError as error:
        yield name, problem(f"cannot be checked: {error}", "check the permissions and the disk")
