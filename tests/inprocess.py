"""How the tests run a resample in their own process."""

from contextlib import contextmanager

from upsample_cli.files.images.options import ImageOptions
from upsample_cli.operations.requests import ResampleRequest
from upsample_cli.operations.work import carry_out
from upsample_cli.sampling.mapping import Like, Orientation
from upsample_cli.sampling.target import Target

RESAMPLE = "upsample_cli.operations.resample"


@contextmanager
def no_progress(_total):
    yield lambda _done: None


def as_target(**wanted):
    """Return the target of ``scale=``, ``size=`` or ``spacing=``: a number, or one per axis."""
    ((kind, values),) = wanted.items()
    return Target(kind, tuple(values) if isinstance(values, (tuple, list)) else (values,))


def resample_file(source, output, *, image=None, **options):
    """Run a resample in this process."""
    if "like" in options:
        target = Like(str(options.pop("like")), options.pop("fill", None))
    elif "orientation" in options:
        target = Orientation(options.pop("orientation"))
    else:
        kinds = ("scale", "size", "spacing")
        target = as_target(**{key: options.pop(key) for key in kinds if key in options})
    request = ResampleRequest(target=target, image=image or ImageOptions(), **options)
    return carry_out(RESAMPLE, request, str(source), str(output), no_progress)
