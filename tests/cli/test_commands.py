"""The table of commands: a row is all that a command needs, and a default stands once."""

import dataclasses
import inspect
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated

import numpy as np
import pytest
import typer

from upsample_cli.cli import commands
from upsample_cli.cli.command import Command, Option, function_of
from upsample_cli.cli.commands import COMMANDS, EXPLAIN, MACHINE, MESSAGES, OUTPUT, SOURCE, WRITING
from upsample_cli.errors import RequestError
from upsample_cli.operations.requests import FileRequest
from upsample_cli.operations.stack import stack_of
from upsample_cli.operations.stacked import Stacked
from upsample_cli.operations.work import from_source
from upsample_cli.sampling.axis import AxisMap

By = Annotated[int, typer.Option("--by", help="What is added.")]


@dataclass(frozen=True, kw_only=True)
class AddRequest(FileRequest):
    by: int = 1

    def check(self):
        if not self.by:
            raise RequestError("--by", "adds nothing", "use another number")


@dataclass(kw_only=True)
class Adding(Stacked):
    def batches(self):
        for batch in self.stack.batches(self.pieces.division):
            yield batch + self.dtype_out.type(self.request.by)


def prepare(request, input_name):
    def settled(source):
        stack = stack_of(source)
        axes = [AxisMap.copied(size) for size in stack.spatial]
        header = (
            source.header.resampled(axes[::-1], stack.dtype)[0] if source.kind == "volume" else None
        )
        return Adding(
            request=request,
            source=source,
            axes=axes,
            dtype_out=stack.dtype,
            channels=stack.channels,
            header=header,
            image_mode=stack.image_mode,
            stack=stack,
            leading=stack.leading,
            name=f"plus {request.by}",
            formulas=[str(size) for size in stack.spatial],
        )

    return from_source(request, input_name, settled)


@pytest.fixture
def toy(monkeypatch):
    """Add a command by one row and one module."""
    module = ModuleType("toy_operation")
    module.prepare = prepare
    monkeypatch.setitem(sys.modules, "toy_operation", module)
    options = (SOURCE, OUTPUT, Option("by", By), *MACHINE, *WRITING, EXPLAIN, *MESSAGES)
    row = Command(
        "add", AddRequest, options, "Add a number.", is_of_batch=True, module="toy_operation"
    )
    monkeypatch.setitem(commands.COMMANDS, "add", row)


ROW = np.arange(6, dtype=np.int16).reshape(2, 3)


def test_a_row_makes_a_command(toy, here, tmp_path):
    np.save(tmp_path / "in.npy", ROW)
    code, _, messages = here("add", "in.npy", "out.npy")
    assert (code, messages.splitlines()[-1][:45]) == (
        0,
        "in.npy 3×2 int16 → out.npy 3×2 int16, plus 1,",
    )
    assert np.array_equal(np.load(tmp_path / "out.npy"), ROW + 1)
    assert here("add", "in.npy", "out.npy", "--by", 5)[0] == 2  # it exists
    assert here("add", "in.npy", "out.npy", "--by", 5, "-f")[0] == 0
    assert np.array_equal(np.load(tmp_path / "out.npy"), ROW + 5)
    code, _, messages = here("add", "in.npy", "none.npy", "--by", 0)
    assert (code, messages) == (2, "upsample-cli: error: --by: adds nothing; use another number\n")


def test_its_help_and_its_explanation_follow(toy, here, tmp_path):
    np.save(tmp_path / "in.npy", ROW)
    code, text, _ = here("add", "--help")
    assert code == 0
    assert "Add a number." in text
    assert "[default: 1]" in text
    assert "add" in here("--help")[1]
    code, text, _ = here("add", "in.npy", "none.npy", "--explain")
    assert code == 0
    assert "does     plus 1\n" in text
    assert not (tmp_path / "none.npy").exists()


def test_a_batch_takes_it(toy, batch, here, tmp_path):
    (tmp_path / "src").mkdir()
    np.save(tmp_path / "src" / "a.npy", ROW)
    assert batch("--op", "add", "--by", 3)[:2] == (0, {"a.npy": "done"})
    assert np.array_equal(np.load(tmp_path / "out" / "a.npy"), ROW + 3)
    assert batch("--op", "add", "--by", 3)[1] == {"a.npy": "skipped"}
    code, _, messages = batch("--op", "pool", "-k", 2, "--by", 3)
    assert code == 2
    assert messages == "upsample-cli: error: --by: goes with --op add; drop it\n"


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_default_stands_in_the_request_alone(command):
    fields = {field.name: field for field in dataclasses.fields(command.request)}
    parameters = inspect.signature(function_of(command)).parameters
    for option in command.options:
        shown = parameters[option.name].default
        field = fields.get(option.field or option.name)
        if option.is_of_request and shown not in (None, inspect.Parameter.empty):
            assert shown == field.default
