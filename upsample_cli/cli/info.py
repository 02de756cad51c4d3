"""``upsample-cli info``: what a file holds."""

from upsample_cli.cli import console, options


def info(
    source: options.Input,
    json: options.Json = False,
    frame: options.Frame = None,
    max_pixels: options.MaxPixels = None,
    debug: options.Debug = False,
) -> None:
    """Show shape, dtype, spacing, orientation, and both affines with their codes.

    Example: upsample-cli info sample_data/brain.nii.gz
    """
    console.set_up(quiet=False, debug=debug)
    from contextlib import closing

    from upsample_cli.files import open_source
    from upsample_cli.files.images.options import ImageOptions
    from upsample_cli.operations.facts import as_json, as_text

    with closing(open_source(source, ImageOptions(frame=frame, max_pixels=max_pixels))) as opened:
        facts = {"file": opened.name, **opened.facts()}
    console.answer(as_json(facts) if json else as_text(facts))
