"""What a batch does to each file: OPERATIONS, each as its own command does it."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from upsample_cli.batch.stamp import checksum_of, stamps_of
from upsample_cli.errors import FileError
from upsample_cli.operations.output import Destination, Progress, Summary
from upsample_cli.operations.requests import check_kernel_options, check_request
from upsample_cli.sampling.mapping import Like

if TYPE_CHECKING:
    from upsample_cli.operations.inverse_plan import Plan
    from upsample_cli.operations.job import Job
    from upsample_cli.operations.requests import ConvolveRequest, PoolRequest, Request

    AnyRequest = Request | PoolRequest | ConvolveRequest


class Steps(NamedTuple):
    """What is wrong for every file, what settles one before it is read, and what does it."""

    prepare: Callable[[Any, str], Any]
    destination: Callable[[Any, Any, str], Destination]
    run: Callable[[Any, str, str, Progress], Summary]


NOT_IN_THE_OUTPUT = ("threads", "force", "max_memory")
"""What a request says that leaves no trace in the output's bytes."""


def _resample() -> Steps:
    from upsample_cli.operations.job import prepare
    from upsample_cli.operations.resample import destination, resample

    return Steps(prepare, lambda _, job, output: destination(job, output), resample)


def _pool() -> Steps:
    from upsample_cli.operations.inverse_plan import destination
    from upsample_cli.operations.pool import pool, prepare_pool

    def exact(request: Any, plan: Any, output: str) -> Destination:
        return destination(plan, request, output, exact=True)

    return Steps(prepare_pool, exact, pool)


def _conv_transpose() -> Steps:
    from upsample_cli.operations.conv_transpose import conv_transpose, prepare_convolve
    from upsample_cli.operations.inverse_plan import destination

    def settle(request: Any, plan: Any, output: str) -> Destination:
        return destination(plan, request, output)

    return Steps(prepare_convolve, settle, conv_transpose)


OPERATIONS: dict[str, Callable[[], Steps]] = {
    "resample": _resample,
    "pool": _pool,
    "conv-transpose": _conv_transpose,
}
"""Name → the steps of a file, imported when they are needed."""

CHECKS: dict[str, Callable[[Any], None]] = {
    "resample": check_request,
    "conv-transpose": check_kernel_options,
}
"""Name → what is wrong with a request whatever the file."""


@dataclass(frozen=True)
class Operation:
    """One of OPERATIONS, with what is asked of every file."""

    name: str
    request: "AnyRequest"

    def for_labels(self) -> "Operation":
        """Return the same for a label map: no label is mixed, none becomes another dtype.

        What lies outside the field of view is background, whatever ``--fill`` is for images.
        """
        request: Any = self.request
        target = request.target
        if isinstance(target, Like):
            target = replace(target, fill=None)
        changes = {"mode": None, "labels": True, "dtype": None, "target": target}
        return replace(self, request=replace(request, **changes))

    def with_limits(self, *, threads: int, memory: int | None, force: bool) -> "Operation":
        """Return the same with what one worker may use."""
        request: Any = self.request
        limited = replace(request, threads=threads, max_memory=memory, force=force)
        return replace(self, request=limited)

    def check(self) -> None:
        """Refuse what would fail for every file; errors as the command of that name has them."""
        if check := CHECKS.get(self.name):
            check(self.request)

    @contextlib.contextmanager
    def prepared(self, name: str) -> Iterator[Union["Job", "Plan"]]:
        """Settle what would be done to a file, without reading its voxels."""
        with contextlib.closing(OPERATIONS[self.name]().prepare(self.request, name)) as plan:
            yield plan

    def check_output(self, plan: Union["Job", "Plan"], output: str) -> Destination:
        """Return where an output goes, having checked that its format can hold it."""
        return OPERATIONS[self.name]().destination(self.request, plan, output)

    def run(self, source: str, output: str, progress: Progress) -> Summary:
        """Do it to one file; errors as the command of that name raises them."""
        return OPERATIONS[self.name]().run(self.request, source, output, progress)

    def beside(self, output: str) -> list[str]:
        """Return the names of the files that are written beside an output."""
        if self.name == "pool":
            from upsample_cli.operations.indices import record_name as indices_name

            return [indices_name(output, None)]
        if self.name == "resample" and getattr(self.request, "record", False):
            from upsample_cli.operations.grid_record import record_name

            return [record_name(output)]
        return []

    def bytes_beside(self, plan: Any) -> int:
        """Return the size of the indices that pool writes, before compression."""
        if self.name != "pool":
            return 0
        from upsample_cli.operations.pool import INDEX_BYTES

        return int(plan.output_bytes // plan.dtype.itemsize * INDEX_BYTES)

    @property
    def references(self) -> list[str]:
        """The other files that every output depends on."""
        request: Any = self.request
        if self.name == "conv-transpose":
            return [name for name in (request.weight, request.bias) if name]
        target = getattr(request, "target", None)
        return [target.reference] if isinstance(target, Like) else []

    def with_absolute_references(self) -> "Operation":
        """Return the same for a process that has another working folder."""
        request: Any = self.request
        changes: dict[str, Any] = {}
        if self.name == "conv-transpose":
            named = {name: getattr(request, name) for name in ("weight", "bias")}
            changes = {name: os.path.abspath(path) for name, path in named.items() if path}
        elif isinstance(target := getattr(request, "target", None), Like):
            reference = os.path.abspath(target.reference)
            changes = {"target": replace(target, reference=reference)}
        return replace(self, request=replace(request, **changes))

    def facts(self) -> dict[str, Any]:
        """Return what is asked of every file, as JSON has it, but for what leaves no trace."""
        facts = asdict(self.request) | self._target()
        for name in NOT_IN_THE_OUTPUT:
            facts.pop(name, None)
        return {"operation": self.name} | _plain(facts)

    def _target(self) -> dict[str, Any]:
        target = getattr(self.request, "target", None)
        return {} if target is None else {"target": {"kind": target.kind} | asdict(target)}

    def key(self, version: str, *, checksum: bool) -> str:
        """Return a digest of all that decides an output's bytes but its input.

        Raises
        ------
        FileError
            If a file that every output depends on is missing.
        """
        facts = self.facts()
        facts["version"] = version
        facts["references"] = [_fingerprint(name, checksum=checksum) for name in self.references]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what was asked for as JSON has it, without what was not."""
    given = {name: value for name, value in facts.items() if value not in (None, False, ())}
    return {
        name: _plain(value) if isinstance(value, dict) else value for name, value in given.items()
    }


def _fingerprint(name: str, *, checksum: bool) -> Any:
    stamps = stamps_of(name)
    if not stamps:
        raise FileError(name, "does not exist", "check the path")
    return checksum_of(name) if checksum else stamps
