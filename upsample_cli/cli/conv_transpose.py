"""``upsample-cli conv-transpose``: a transposed convolution, in real units."""

from upsample_cli.cli import console, options


def conv_transpose(
    source: options.Input,
    output: options.Output,
    weight: options.Weight = None,
    kernel: options.Kernel = None,
    bias: options.Bias = None,
    stride: options.Stride = None,
    padding: options.Padding = None,
    output_padding: options.OutputPadding = None,
    dilation: options.Dilation = None,
    groups: options.Groups = None,
    output_size: options.OutputSize = None,
    dtype: options.RealDtype = None,
    threads: options.Threads = None,
    max_memory: options.MaxMemory = None,
    force: options.Force = False,
    compress_level: options.CompressLevel = 1,
    format_name: options.Format = None,
    frame: options.Frame = None,
    quality: options.Quality = None,
    max_pixels: options.MaxPixels = None,
    explain: options.Explain = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write a transposed convolution, with given weights or a named kernel that enlarges.

    Values are real ones, slope and intercept applied. An image's channels, transparency
    included, and an array's axis before the spatial ones are PyTorch's C; a volume has one.

    Example: upsample-cli conv-transpose sample_data/bold.nii.gz x2.nii --kernel bilinear --stride 2
    """
    given = locals()
    console.set_up(quiet=quiet, debug=debug)
    from upsample_cli.cli.requests import conv_transpose_request
    from upsample_cli.operations.conv_transpose import conv_transpose as convolve_file
    from upsample_cli.operations.conv_transpose import prepare_convolve

    request = conv_transpose_request(given)
    if explain:
        console.explanation(prepare_convolve(request, source), request.max_memory, quiet=quiet)
        return
    console.finished(convolve_file(request, source, output, console.progress(quiet)), quiet=quiet)
