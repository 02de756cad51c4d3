"""What a request refuses before any file is opened, in the words of the command line."""

import pytest

from upsample_cli.errors import RequestError
from upsample_cli.operations.requests import ResampleRequest
from upsample_cli.sampling.target import Target


@pytest.mark.parametrize(
    ("mode", "align_corners", "antialias", "message"),
    [
        (
            "area",
            True,
            None,
            "--align-corners: mode area has no such option; use linear, cubic, label, or drop it",
        ),
        (
            "lanczos",
            False,
            None,
            "--no-align-corners: mode lanczos has no such option; use linear, cubic, label, or "
            "drop it",
        ),
        (
            "nearest",
            None,
            True,
            "--antialias: mode nearest has no such option; use linear, cubic, lanczos, label, or "
            "drop it",
        ),
        (
            "lanczos",
            None,
            False,
            "--no-antialias: mode lanczos is always antialiased; drop the option",
        ),
    ],
)
def test_a_switch_that_does_not_go_with_the_mode(mode, align_corners, antialias, message):
    target = Target("scale", (2.0,))
    request = ResampleRequest(
        target=target, mode=mode, align_corners=align_corners, antialias=antialias
    )
    with pytest.raises(RequestError) as caught:
        request.check()
    assert str(caught.value) == message
