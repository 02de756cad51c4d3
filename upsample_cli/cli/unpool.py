"""``upsample-cli unpool``: every maximum back in its place."""

from upsample_cli.cli import console, options


def unpool(
    source: options.Input,
    output: options.Output,
    indices: options.Indices = None,
    output_size: options.OutputSize = None,
    threads: options.Threads = None,
    max_memory: options.MaxMemory = None,
    force: options.Force = False,
    compress_level: options.CompressLevel = 1,
    format_name: options.Format = None,
    frame: options.Frame = None,
    max_pixels: options.MaxPixels = None,
    explain: options.Explain = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Put the values of a pooled file back where they were, and 0 elsewhere.

    The original's shape, affines and header come from the .npz that pool wrote. With
    --output-size voxels are added or dropped at the end of an axis.

    Example: upsample-cli unpool pooled.nii.gz restored.nii.gz

    (pooled.nii.gz is what the example of pool writes.)
    """
    given = locals()
    console.set_up(quiet=quiet, debug=debug)
    from upsample_cli.cli.requests import unpool_request
    from upsample_cli.operations.unpool import prepare_unpool
    from upsample_cli.operations.unpool import unpool as unpool_file

    request = unpool_request(given)
    if explain:
        console.explanation(prepare_unpool(request, source), request.max_memory, quiet=quiet)
        return
    console.finished(unpool_file(request, source, output, console.progress(quiet)), quiet=quiet)
