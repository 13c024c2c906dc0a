"""The official archives of PASCAL VOC 2012, SBD and COCO 2014: their addresses and checksums.

The MD5 sums are the ones commonly published for these files. Those of VOC 2012 and SBD agree with the ones torchvision
ships; those of COCO 2014 could not be compared with a second source, nor could any of the files be fetched, where this
was written. Whoever has another release of a file can hand it over as a local file; a sum is checked for downloads.
"""

from sccan.files.download import Archive

VOC_2012 = Archive(
    "VOCtrainval_11-May-2012.tar",
    (
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
    ),
    "6cd6e144f989b92b3379bac3b3de84fd",
)
SBD = Archive(
    "benchmark.tgz",
    (
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
        "http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
    ),
    "82b4d87ceb2ed10f6038a1cba92111cb",
)
COCO_2014 = {
    "train2014": Archive(
        "train2014.zip", ("http://images.cocodataset.org/zips/train2014.zip",), "0da8c0bd3d6becc4dcb32757491aca88"
    ),
    "val2014": Archive(
        "val2014.zip", ("http://images.cocodataset.org/zips/val2014.zip",), "a3d79f5ed8d289b7a7554ce06a5782b3"
    ),
    "annotations": Archive(
        "annotations_trainval2014.zip",
        ("http://images.cocodataset.org/annotations/annotations_trainval2014.zip",),
        "0a379cfc70b0e71301e0f377548639bd",
    ),
}
