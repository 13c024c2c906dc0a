"""One file per published system: which part of a reference case is computed by which function of ours."""

from collections.abc import Mapping

from sccan.reference.cases import Runner
from sccan.reference.systems import bam, can, sccan, segmentation_data

SYSTEMS: Mapping[str, Mapping[str, Runner]] = {
    "bam": bam.PARTS,
    "can": can.PARTS,
    "sccan": sccan.PARTS,
    "segmentation_data": segmentation_data.PARTS,
}
"""System name -> part name -> runner. A new system adds its file and its line here."""
