"""``upsample-cli pool``: the maximum of each window, and where it was."""

from upsample_cli.cli import console, options


def pool(
    source: options.Input,
    output: options.Output,
    kernel_size: options.KernelSize,
    stride: options.PoolStride = None,
    padding: options.Padding = None,
    dilation: options.Dilation = None,
    ceil_mode: options.CeilMode = False,
    indices: options.NewIndices = None,
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
    """Max-pool an image per channel, a volume in 3-D, or an array in PyTorch's layout.

    Writes the pooled file and, beside it, an .npz with the indices and the original grid, which
    is all that unpool needs. Axes of an array: (C, H, W), (N, C, H, W) or (N, C, D, H, W); more
    than one number says how many of the last are pooled.

    Example: upsample-cli pool sample_data/brain.nii.gz pooled.nii.gz --kernel-size 2
    """
    given = locals()
    console.set_up(quiet=quiet, debug=debug)
    from upsample_cli.cli.requests import pool_request
    from upsample_cli.operations.pool import pool as pool_file
    from upsample_cli.operations.pool import prepare_pool

    request = pool_request(given)
    if explain:
        console.explanation(prepare_pool(request, source), request.max_memory, quiet=quiet)
        return
    console.finished(pool_file(request, source, output, console.progress(quiet)), quiet=quiet)
