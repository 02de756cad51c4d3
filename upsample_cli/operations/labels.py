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
    are_plain
        They are single numbers, which stand for themselves: there is no slope and no intercept.
    """

    are_meant: bool
    can_vote: bool
    are_plain: bool

    @property
    def may_hide(self) -> bool:
        """Whether only its values can tell: its voxels could be labels, and it does not say."""
        return self.can_vote and self.are_plain and not self.are_meant

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
        return Labels(are_meant=False, can_vote=False, are_plain=False)
    header, is_single = source.header, source.channels == 1
    return Labels(
        are_meant=header.is_label_map,
        can_vote=is_single and source.dtype.kind in "iu",
        are_plain=is_single and header.scaling == (1.0, 0.0),
    )
