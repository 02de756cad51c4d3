"""``upsample-cli resample``: one file to a new size."""

from upsample_cli.cli import console, options


def resample(
    source: options.Input,
    output: options.Output,
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
    straight_alpha: options.StraightAlpha = False,
    threads: options.Threads = None,
    max_memory: options.MaxMemory = None,
    force: options.Force = False,
    compress_level: options.CompressLevel = 1,
    format_name: options.Format = None,
    record: options.Record = False,
    frame: options.Frame = None,
    quality: options.Quality = None,
    max_pixels: options.MaxPixels = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Resample one image, volume or array, with PyTorch's numbers and a true header.

    Axis order is x first everywhere: width × height, or x × y × z as nibabel prints a shape.
    PyTorch's tuples are the reverse. A volume of more than three dimensions is resampled volume
    by volume.

    Example: upsample-cli resample sample_data/brain.nii.gz out.nii.gz --scale 2
    """
    given = locals()
    console.set_up(quiet=quiet, debug=debug)
    from upsample_cli.cli.requests import resample_request
    from upsample_cli.operations.resample import resample as resample_file

    done = resample_file(resample_request(given), source, output, console.progress(quiet))
    console.finished(done, quiet=quiet)
