"""``upsample-cli warmup``: compile the kernels ahead of the first file."""

from upsample_cli.cli import console, options


def warmup(quiet: options.Quiet = False, debug: options.Debug = False) -> None:
    """Compile every kernel now, so that no later run has to; for images built once and run often.

    The machine code is kept in the user's cache folder, or where the environment variable
    UPSAMPLE_CLI_CACHE says. It is for this CPU and these versions alone, or for the CPU that
    UPSAMPLE_CLI_CPU names, such as x86-64-v3, when it is made and when it is used.

    Example: upsample-cli warmup
    """
    console.set_up(quiet=quiet, debug=debug)
    from upsample_cli.errors import FileError
    from upsample_cli.machine_code import cache
    from upsample_cli.operations.warmup import tasks

    if obstacle := cache.obstacle():
        place = cache.folder() or "the cache folder"
        raise FileError(str(place), obstacle, f"set {cache.FOLDER_VARIABLE}")
    todo = list(tasks())
    with console.progress(quiet, unit="kernel")(len(todo)) as done:
        for task in todo:
            task()
            done(1)
    console.summary(f"{cache.kept()} compiled kernels are in {cache.folder()}", quiet=quiet)
