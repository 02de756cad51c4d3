"""One process that fuzzes one format; what it dies of is found out by ``campaign``."""

import faulthandler
import json
import os
import random
import sys
import time
from pathlib import Path

HANGS = 20
"""Seconds after which a case is taken to hang."""
LARGEST_ADDRESSES = 6 * 2**30
LARGEST_MEGABYTES = 1536
"""Of resident memory, for files of a few KB."""
NOTE_EVERY = 50

INSTRUMENTED = (
    *("upsample_cli.files", "upsample_cli.operations"),
    *("nibabel.nifti1", "nibabel.freesurfer.mghformat", "numpy.lib._format_impl", "zipfile"),
    *("PIL.PngImagePlugin", "PIL.JpegImagePlugin", "PIL.TiffImagePlugin", "PIL.GifImagePlugin"),
    *("PIL.WebPImagePlugin", "PIL.BmpImagePlugin", "PIL.PpmImagePlugin", "PIL.ImageFile"),
)


class Worker:
    """Runs cases of one format in a folder of its own, and notes how far it is."""

    def __init__(self, format: str, folder: Path, finds: Path) -> None:
        from fuzz.commands import check_file, make_companions
        from fuzz.finds import Finds
        from fuzz.rule import BrokenRuleError

        self.format, self.folder, self.finds = format, folder, Finds(finds)
        self.check_file, self.error = check_file, BrokenRuleError
        self.cases = 0
        self.hang = open(folder / "hang", "w")  # noqa: SIM115 - open as long as the process
        place = folder / "place"
        place.mkdir()
        make_companions(place)
        os.chdir(place)

    def run(self, data: bytes) -> None:
        """Run one case; keep it if it breaks the rule."""
        (self.folder / "case").write_bytes(data)
        faulthandler.dump_traceback_later(HANGS, exit=True, file=self.hang)
        try:
            self.check_file(self.format, data)
        except self.error as error:
            self.finds.add(self.format, data, str(error))
        finally:
            faulthandler.cancel_dump_traceback_later()
        self.cases += 1
        peak = _peak_megabytes()
        if self.cases % NOTE_EVERY == 0 or peak > LARGEST_MEGABYTES:
            self.note()
        if peak > LARGEST_MEGABYTES:
            print(f"it took {peak} MiB", file=sys.stderr, flush=True)  # noqa: T201
            os._exit(3)

    def note(self) -> None:
        """Write down how far it is."""
        facts = {"cases": self.cases, "megabytes": _peak_megabytes()}
        (self.folder / "progress.json").write_text(json.dumps(facts))


def _peak_megabytes() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Fuzz: format, seconds, seed, engine, working folder, folder of finds."""
    import resource

    format, seconds, seed, engine, folder, finds = sys.argv[1:]
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (LARGEST_ADDRESSES, LARGEST_ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    start = run_guided if engine == "atheris" else run_random
    start(format, float(seconds), int(seed), Path(folder), Path(finds))


def run_random(format: str, seconds: float, seed: int, folder: Path, finds: Path) -> None:
    """Mutate good files at random; the order of cases follows from the seed alone."""
    from fuzz.mutation import mutated
    from fuzz.seeds import SEEDS

    end = time.monotonic() + seconds
    worker, seeds = Worker(format, folder, finds), list(SEEDS[format]())
    chosen = random.Random(seed)
    while time.monotonic() < end:
        worker.run(mutated(format, chosen, chosen.choice(seeds), chosen.choice(seeds)))
    worker.note()


def run_guided(format: str, seconds: float, seed: int, folder: Path, finds: Path) -> None:
    """Let coverage of the readers' code decide which mutants are mutated further."""
    import atheris

    end = time.monotonic() + seconds
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        _import_readers()
        from fuzz.mutation import LARGEST_CASE, mutated
        from fuzz.seeds import SEEDS

        worker, seeds = Worker(format, folder, finds), list(SEEDS[format]())
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(seeds):
        (corpus / str(number)).write_bytes(data)

    def mutate(data: bytes, largest: int, number: int) -> bytes:
        chosen = random.Random(number)
        if chosen.random() < 0.15:
            return atheris.Mutate(data, largest)
        return mutated(format, chosen, data, chosen.choice(seeds))[:largest]

    left = max(1, round(end - time.monotonic()))
    flags = (f"-max_total_time={left}", f"-seed={seed}", f"-max_len={LARGEST_CASE}")
    # Both are watched here, so that a case is kept in the same way whatever it breaks.
    flags += (f"-timeout={2 * HANGS}", "-rss_limit_mb=0", f"-artifact_prefix={folder}/")
    atheris.Setup(["fuzz", *flags, str(corpus)], worker.run, custom_mutator=mutate)
    atheris.Fuzz()


def _import_readers() -> None:
    """Import what the commands import late, so that it is instrumented."""
    import importlib
    import pkgutil

    import upsample_cli

    for module in pkgutil.walk_packages(upsample_cli.__path__, "upsample_cli."):
        if module.name.startswith(INSTRUMENTED):
            importlib.import_module(module.name)
