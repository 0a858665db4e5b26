"""All checks in turn; one that cannot be made is a problem itself, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.doctor import cache, inputs, machine
from benchmark.doctor.finding import Finding, Level, problem
from benchmark.doctor.store import StoreState, look_at_store, run_findings
from benchmark.doctor.versions import version_findings
from benchmark.plan.workspace import Workspace
from data_pipeline.errors import InputError


def examine(workspace: Workspace) -> Iterator[tuple[str, Finding]]:
    """What each check finds, with the check's name, as it is found."""
    yield from _named("versions", version_findings())
    yield from _named("processor", machine.processor_findings(workspace))
    yield from _named("memory", machine.memory_findings())
    yield from _named("disk", machine.disk_findings(workspace))
    yield from _named("reviews", inputs.embedded_findings())
    yield from _named("official reviews", inputs.official_findings(workspace.place))
    yield from _named("encoder", inputs.encoder_findings())
    state = _store_state(workspace)
    yield "store", state.finding
    if state.runs is not None:
        yield from _named("runs", run_findings(state.runs))
    yield from _named("cache", cache.entry_findings(workspace.cache_dir))
    yield from _named("checkpoints", cache.checkpoint_findings(workspace, state.runs))


def _named(name: str, findings: Iterator[Finding]) -> Iterator[tuple[str, Finding]]:
    """The findings of one check under its name."""
    try:
        for finding in findings:
            yield name, finding
    except InputError as error:
        yield name, Finding(Level.PROBLEM, str(error))  # such an error says what to do
    except OSError as error:
        yield name, _refused(error)


def _store_state(workspace: Workspace) -> StoreState:
    try:
        return look_at_store(workspace.tracking_uri)
    except OSError as error:
        return StoreState(_refused(error))


def _refused(error: OSError) -> Finding:
    return problem(f"cannot be looked at: {error}", "check the permissions and the disk")
