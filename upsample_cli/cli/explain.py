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
    console.set_up(quiet=quiet, debug=debug)
    from contextlib import closing

    from upsample_cli.cli.parsing import parse_memory, parse_target
    from upsample_cli.files.image_options import ImageOptions
    from upsample_cli.job import Request, prepare
    from upsample_cli.report import explain_job
    from upsample_cli.threads import available_threads

    request = Request(
        target=parse_target(
            scale, size, spacing, isotropic, max_size, fit, like, orientation, fill
        ),
        image=ImageOptions(frame=frame, max_pixels=max_pixels),
        mode=mode.value if mode else None,
        labels=labels,
        align_corners=align_corners,
        antialias=antialias,
        recompute_scale_factor=recompute_scale_factor,
        dtype=dtype,
        threads=threads or available_threads(),
        max_memory=parse_memory(max_memory),
    )
    job = prepare(request, source)
    with closing(job.source):
        console.answer(explain_job(job))
        console.notes(job.warnings, job.hints, quiet=quiet)
