"""NIfTI volumes, read and written strictly forward: .nii, .nii.gz and .hdr/.img pairs."""

from upsample_cli.errors import FileError
from upsample_cli.files.streams import ForwardReader, open_input
from upsample_cli.files.volumes.nifti_header import NiftiHeader, read_header
from upsample_cli.files.volumes.pairs import pair_names
from upsample_cli.files.volumes.volume_source import VolumeSource


class NiftiSource(VolumeSource):
    """A volume in one file, or in a pair of which the first holds the header."""

    suffixes = (".nii", ".nii.gz")

    def read_header(self) -> NiftiHeader:
        """Read and check the header; of a pair, go on to the file of voxels."""
        header = read_header(self.reader.read, self.reader.read_rest, self.name)
        if not header.is_pair:
            return header
        names = pair_names(self.name)
        if names is None:
            raise FileError(self.name, "is half of a .hdr/.img pair", "name the .hdr file")
        self.reader.close()
        self.reader = ForwardReader(open_input(names[1]), names[1])
        self.reader.skip(header.voxel_offset)
        return header
