"""Peak memory of whole processes: a window of planes, never the volume."""

import os
import sys

import pytest

from tests.volumes import write_volume

LIMIT = 250 * 1000 * 1000
