"""What a batch does to each file, as the command of that name does it."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from upsample_cli.batch.stamp import checksum_of, stamps_of
from upsample_cli.errors import FileError
from upsample_cli.operations import module_named
from upsample_cli.operations.output import Progress, Summary
from upsample_cli.operations.requests import FileRequest

if TYPE_CHECKING:
    from upsample_cli.operations.work import Work

NOT_IN_THE_OUTPUT = ("threads", "force", "max_memory")
"""What a request says that leaves no trace in the output's bytes."""


@dataclass(frozen=True)
class Operation:
    """An operation, with what is asked of every file.

    Attributes
    ----------
    name
        That of its command.
    request
        What is asked.
    module
        Whose ``prepare`` does it; that of `operations` with its name, by default.
    """

    name: str
    request: FileRequest
    module: str = ""

    def for_labels(self) -> "Operation":
        """Return the same for a label map."""
        return replace(self, request=self.request.for_labels())

    def with_limits(self, *, threads: int, memory: int | None, force: bool) -> "Operation":
        """Return the same with what one worker may use."""
        limited = replace(self.request, threads=threads, max_memory=memory, force=force)
        return replace(self, request=limited)

    def with_absolute_references(self) -> "Operation":
        """Return the same for a process that has another working folder."""
        return replace(self, request=self.request.with_absolute_references())

    @contextlib.contextmanager
    def prepared(self, name: str) -> Iterator["Work"]:
        """Settle what would be done to a file, without reading its voxels."""
        from upsample_cli.operations.work import prepare

        with contextlib.closing(prepare(self._module, self.request, name)) as work:
            yield work

    def run(self, source: str, output: str, progress: Progress) -> Summary:
        """Do it to one file; errors as the command of that name raises them."""
        from upsample_cli.operations.work import carry_out

        return carry_out(self._module, self.request, source, output, progress)

    @property
    def _module(self) -> str:
        return self.module or module_named(self.name)

    def facts(self) -> dict[str, Any]:
        """Return what is asked of every file, as JSON has it, but for what leaves no trace."""
        facts = asdict(self.request)
        target = getattr(self.request, "target", None)
        if target is not None:
            facts["target"] = {"kind": target.kind} | asdict(target)
        for name in NOT_IN_THE_OUTPUT:
            facts.pop(name, None)
        return {"operation": self.name} | _plain(facts)

    def key(self, version: str, *, checksum: bool) -> str:
        """Return a digest of all that decides an output's bytes but its input.

        Raises
        ------
        FileError
            If a file that every output depends on is missing.
        """
        facts, references = self.facts(), self.request.references
        facts["version"] = version
        facts["references"] = [_fingerprint(name, checksum=checksum) for name in references]
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
