"""One file at a time, where an earlier worker may have done it and not have said so.

That worker may have been killed, or cut off, just after it gave the output its name. No mark tells
its work from a stranger's file for certain: clocks differ, numbers of inodes are used again, and a
mark may be lost with its worker. But what an output holds depends on nothing but input, request and
version. So where there is a file that nobody knows, the output is made once more, aside; if it has
the same bytes, or the same content deflated by another machine, it counts as done, and if not, it
is a stranger's. Nothing is replaced either way.
"""

import os
import secrets
import shutil
from dataclasses import replace

from upsample_cli.batch.task import FAILED, Advance, Outcome, Setting, Task, made_by, run_task
from upsample_cli.files.alike import alike


def run_or_compare(setting: Setting, task: Task, advance: Advance) -> Outcome:
    """Do one file, or find that it is done; whatever is wrong with it is in the outcome."""
    outcome = run_task(setting, task, advance)
    if outcome.status == FAILED and not task.replaces and made_by(setting, task):
        return _compared(setting, outcome, advance)
    return outcome


def _compared(setting: Setting, refusal: Outcome, advance: Advance) -> Outcome:
    """Take an output that is there for done if it is what would be made; else refuse as before."""
    task = refusal.task
    aside = os.path.join(setting.aside, secrets.token_hex(8))
    try:
        os.mkdir(aside)
        again = run_task(replace(setting, target=aside), task, advance)
        there = made_by(setting, task)
        names = [name for name, _ in again.made]
        if not names or not all(
            alike(os.path.join(aside, name), os.path.join(setting.target, name))
            for name, _ in there
        ):
            return refusal
        if len(there) == len(names):
            return replace(again, made=there)
    except OSError:
        return refusal
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    # A worker was lost between two files of one output. Those that are there are written anew.
    return replace(run_task(setting, replace(task, replaces=True), advance), task=task)
