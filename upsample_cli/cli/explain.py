"""``upsample-cli explain``: what a resample would do."""

from upsample_cli.cli import console, options


def explain(
    source: options.Input,
    scale: options.Scale = None,
    size: options.Size = None,
    spacing: options.Spacing = None,
    isotropic: options.Isotropic = None,
    max_size: options.MaxSize = None,
    fit: options.Fit = None,
    like: options.LikeReference = None,
    orientation: options.OrientationCode = None,
    mode: options.Mode = None,
    labels: options.Labels = False,
    align_corners: options.AlignCorners = None,
    antialias: options.Antialias = None,
    recompute_scale_factor: options.Recompute = False,
    dtype: options.Dtype = None,
    fill: options.Fill = None,
    threads: options.Threads = None,
    max_memory: options.MaxMemory = None,
    frame: options.Frame = None,
    max_pixels: options.MaxPixels = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Show what resample would do: output shape, sampling of each axis, affine, memory.

    Nothing is written. Sample i of an axis lies at start + step × i, in input voxels.

    Example: upsample-cli explain sample_data/brain.nii.gz --spacing 1
    """
    given = locals()
    console.set_up(quiet=quiet, debug=debug)
    from contextlib import closing

    from upsample_cli.cli.requests import resample_request
    from upsample_cli.operations.explain import explain_job
    from upsample_cli.operations.job import prepare

    with closing(prepare(resample_request(given), source)) as job:
        console.answer(explain_job(job))
        console.notes(job.warnings, job.hints, quiet=quiet)
