"""Whether work is on labels: what a file says before its values are read, decided once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from upsample_cli.operations.requests import LABEL

if TYPE_CHECKING:
    from upsample_cli.files import Source


@dataclass(frozen=True)
class Labels:
    """What is known of labels in a file before its values are read.

    Attributes
    ----------
    are_meant
        Its header's intent says that it holds labels.
    can_vote
        Its elements are single whole numbers, as mode label takes them.
    may_hide
        Only its values can tell: it holds voxels that could be labels, and does not say.
    """

    are_meant: bool
    can_vote: bool
    may_hide: bool

    @property
    def are_said(self) -> bool:
        """Whether it says that it is a label map, and its elements can be one."""
        return self.are_meant and self.can_vote

    @property
    def mode(self) -> str:
        """The mode that mixes none of them."""
        return LABEL if self.can_vote else "nearest-exact"


def labels_of(source: "Source") -> Labels:
    """Return what a file says of labels; only volumes say anything."""
    if source.kind != "volume":
        return Labels(are_meant=False, can_vote=False, may_hide=False)
    header = source.header
    can_vote = source.dtype.kind in "iu" and source.channels == 1
    is_plain = header.scaling == (1.0, 0.0)
    return Labels(
        are_meant=header.is_label_map,
        can_vote=can_vote,
        may_hide=can_vote and is_plain and not header.is_label_map,
    )
