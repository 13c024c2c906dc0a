"""One file per published system: which part of a reference case is computed by which function of ours."""

from collections.abc import Mapping

from sccan.reference.cases import Runner
from sccan.reference.systems import (
    amtnet,
    bam,
    can,
    cecnet,
    dmf,
    frost,
    insid3,
    sccan,
    segmentation_data,
    spatialformer,
    tasnet,
    tsf,
)

SYSTEMS: Mapping[str, Mapping[str, Runner]] = {
    "amtnet": amtnet.PARTS,
    "bam": bam.PARTS,
    "can": can.PARTS,
    "cecnet": cecnet.PARTS,
    "dmf": dmf.PARTS,
    "frost": frost.PARTS,
    "insid3": insid3.PARTS,
    "sccan": sccan.PARTS,
    "segmentation_data": segmentation_data.PARTS,
    "spatialformer": spatialformer.PARTS,
    "tasnet": tasnet.PARTS,
    "tsf": tsf.PARTS,
}
"""System name -> part name -> runner. A new system adds its file and its line here."""
