"""What the paper reports (arXiv 2308.02738v1, Tables 2 to 5), each number with its source, and its contradictions.

In percent. One run each: the paper gives no seeds and no spread, so a difference to these numbers has no p-value.
"""

from dataclasses import dataclass

DUKE = "DukeMTMC-reID"
MARKET = "Market-1501"
DATASETS = {"dukemtmc": DUKE, "market1501": MARKET, "msmt17": "MSMT17", "occluded-duke": "Occluded-Duke"}
"""From the names that are typed to those that the paper prints."""


@dataclass(frozen=True)
class Published:
    """One published result: who, with which image tower, on which data set, and where it is printed."""

    method: str
    backbone: str
    dataset: str
    rank1: float
    mean_ap: float
    source: str
    parser_miou: float | None = None  # as Table 4 prints it: not of one data set, see MIOU_COLUMN
    printed_gain: tuple[float, float] | None = None  # Rank-1 and mAP, as printed in brackets beside the two


@dataclass(frozen=True)
class Contradiction:
    """Two statements that cannot both hold, or one that its source does not bear; kept, not averaged."""

    subject: str
    stated: str
    against: str
    consequence: str


TABLE_3_CLIP_REID = Published("CLIP-ReID", "RN50", DUKE, rank1=89.4, mean_ap=80.8, source="Table 3, row 1")
TABLE_3_PART_LABELS = Published(
    "+ part labels",
    "RN50",
    DUKE,
    rank1=90.2,
    mean_ap=80.9,
    source="Table 3, row 2",
    printed_gain=(0.8, 0.1),
)
TABLE_3_IDENTITY_PARTS = Published(
    "+ identity-aware part prompts",
    "RN50",
    DUKE,
    rank1=91.0,
    mean_ap=81.3,
    source="Table 3, row 3",
    printed_gain=(1.6, 0.5),
)
TABLE_3_PI_VL = Published(
    "PI-VL", "RN50", DUKE, rank1=91.2, mean_ap=81.6, source="Table 3, row 4", printed_gain=(1.8, 0.8)
)

TABLE_4_CLIP_REID = Published("CLIP-ReID", "RN50", DUKE, rank1=89.4, mean_ap=80.8, source="Table 4, row 1")
TABLE_4_SOLIDER = Published(
    "PI-VL, SOLIDER", "RN50", DUKE, rank1=91.0, mean_ap=80.8, source="Table 4, row 2", parser_miou=55.45
)
TABLE_4_SCHP = Published(
    "PI-VL, SCHP", "RN50", DUKE, rank1=91.2, mean_ap=81.6, source="Table 4, row 3", parser_miou=59.36
)
TABLE_4_INVPT = Published(
    "PI-VL, InvPT", "RN50", DUKE, rank1=91.2, mean_ap=81.8, source="Table 4, row 4", parser_miou=67.61
)

TABLE_5_CLIP_REID = Published("CLIP-ReID", "RN50", MARKET, rank1=95.7, mean_ap=89.8, source="Table 5, row 1")
TABLE_5_PI_VL = Published("PI-VL", "RN50", MARKET, rank1=96.1, mean_ap=90.2, source="Table 5, row 2")
TABLE_5_STUDENT = Published(
    "no teacher", "MobileNetV2(0.25)", MARKET, rank1=85.0, mean_ap=66.9, source="Table 5, row 3"
)
TABLE_5_CLIP_REID_STUDENT = Published(
    "CLIP-ReID as teacher",
    "MobileNetV2(0.25)",
    MARKET,
    rank1=86.2,
    mean_ap=67.8,
    source="Table 5, row 4",
    printed_gain=(1.2, 0.9),
)
TABLE_5_PI_VL_STUDENT = Published(
    "PI-VL as teacher",
    "MobileNetV2(0.25)",
    MARKET,
    rank1=87.1,
    mean_ap=68.5,
    source="Table 5, row 5",
    printed_gain=(2.1, 1.6),
)

TABLE_2 = (
    Published("PCB", "CNN", "Market-1501", rank1=93.8, mean_ap=81.6, source="Table 2, CNN row 1"),
    Published("PCB", "CNN", "DukeMTMC-reID", rank1=83.3, mean_ap=69.2, source="Table 2, CNN row 1"),
    Published("MGN", "CNN", "Market-1501", rank1=95.7, mean_ap=86.9, source="Table 2, CNN row 2"),
    Published("MGN", "CNN", "DukeMTMC-reID", rank1=88.7, mean_ap=78.4, source="Table 2, CNN row 2"),
    Published("OSNeT", "CNN", "MSMT17", rank1=78.7, mean_ap=52.9, source="Table 2, CNN row 3"),
    Published("OSNeT", "CNN", "Market-1501", rank1=94.8, mean_ap=84.9, source="Table 2, CNN row 3"),
    Published("OSNeT", "CNN", "DukeMTMC-reID", rank1=88.6, mean_ap=73.5, source="Table 2, CNN row 3"),
    Published("ABD-Net", "CNN", "MSMT17", rank1=82.3, mean_ap=60.8, source="Table 2, CNN row 4"),
    Published("ABD-Net", "CNN", "Market-1501", rank1=95.6, mean_ap=88.3, source="Table 2, CNN row 4"),
    Published("ABD-Net", "CNN", "DukeMTMC-reID", rank1=89.0, mean_ap=78.6, source="Table 2, CNN row 4"),
    Published("Auto-ReID", "CNN", "MSMT17", rank1=78.2, mean_ap=52.5, source="Table 2, CNN row 5"),
    Published("Auto-ReID", "CNN", "Market-1501", rank1=94.5, mean_ap=85.1, source="Table 2, CNN row 5"),
    Published("HOReID", "CNN", "Market-1501", rank1=94.2, mean_ap=84.9, source="Table 2, CNN row 6"),
    Published("HOReID", "CNN", "DukeMTMC-reID", rank1=86.9, mean_ap=75.6, source="Table 2, CNN row 6"),
    Published("HOReID", "CNN", "Occluded-Duke", rank1=55.1, mean_ap=43.8, source="Table 2, CNN row 6"),
    Published("ISP", "CNN", "Market-1501", rank1=95.3, mean_ap=88.6, source="Table 2, CNN row 7"),
    Published("ISP", "CNN", "DukeMTMC-reID", rank1=89.6, mean_ap=80.0, source="Table 2, CNN row 7"),
    Published("ISP", "CNN", "Occluded-Duke", rank1=62.8, mean_ap=52.3, source="Table 2, CNN row 7"),
    Published("SAN", "CNN", "MSMT17", rank1=79.2, mean_ap=55.7, source="Table 2, CNN row 8"),
    Published("SAN", "CNN", "Market-1501", rank1=96.1, mean_ap=88.0, source="Table 2, CNN row 8"),
    Published("SAN", "CNN", "DukeMTMC-reID", rank1=87.9, mean_ap=75.5, source="Table 2, CNN row 8"),
    Published("OfM", "CNN", "MSMT17", rank1=78.4, mean_ap=54.7, source="Table 2, CNN row 9"),
    Published("OfM", "CNN", "Market-1501", rank1=94.9, mean_ap=87.9, source="Table 2, CNN row 9"),
    Published("OfM", "CNN", "DukeMTMC-reID", rank1=89.0, mean_ap=78.6, source="Table 2, CNN row 9"),
    Published("CDNet", "CNN", "MSMT17", rank1=78.9, mean_ap=54.7, source="Table 2, CNN row 10"),
    Published("CDNet", "CNN", "Market-1501", rank1=95.1, mean_ap=86.0, source="Table 2, CNN row 10"),
    Published("CDNet", "CNN", "DukeMTMC-reID", rank1=88.6, mean_ap=76.8, source="Table 2, CNN row 10"),
    Published("PAT", "CNN", "Market-1501", rank1=95.4, mean_ap=88.0, source="Table 2, CNN row 11"),
    Published("PAT", "CNN", "DukeMTMC-reID", rank1=88.8, mean_ap=78.2, source="Table 2, CNN row 11"),
    Published("PAT", "CNN", "Occluded-Duke", rank1=64.5, mean_ap=53.6, source="Table 2, CNN row 11"),
    Published("CAL", "CNN", "MSMT17", rank1=79.5, mean_ap=56.2, source="Table 2, CNN row 12"),
    Published("CAL", "CNN", "Market-1501", rank1=94.5, mean_ap=87.0, source="Table 2, CNN row 12"),
    Published("CAL", "CNN", "DukeMTMC-reID", rank1=87.2, mean_ap=76.4, source="Table 2, CNN row 12"),
    Published("CBDB-Net", "CNN", "Market-1501", rank1=94.4, mean_ap=85.0, source="Table 2, CNN row 13"),
    Published("CBDB-Net", "CNN", "DukeMTMC-reID", rank1=87.7, mean_ap=74.3, source="Table 2, CNN row 13"),
    Published("CBDB-Net", "CNN", "Occluded-Duke", rank1=50.9, mean_ap=38.9, source="Table 2, CNN row 13"),
    Published("ALDER", "CNN", "MSMT17", rank1=82.5, mean_ap=59.1, source="Table 2, CNN row 14"),
    Published("ALDER", "CNN", "Market-1501", rank1=95.6, mean_ap=88.9, source="Table 2, CNN row 14"),
    Published("ALDER", "CNN", "DukeMTMC-reID", rank1=89.9, mean_ap=78.9, source="Table 2, CNN row 14"),
    Published("LTReID", "CNN", "MSMT17", rank1=81.0, mean_ap=58.6, source="Table 2, CNN row 15"),
    Published("LTReID", "CNN", "Market-1501", rank1=95.9, mean_ap=89.0, source="Table 2, CNN row 15"),
    Published("LTReID", "CNN", "DukeMTMC-reID", rank1=90.5, mean_ap=80.4, source="Table 2, CNN row 15"),
    Published("CLIP-ReID", "CNN", "MSMT17", rank1=84.4, mean_ap=63.0, source="Table 2, CNN row 16"),
    Published("CLIP-ReID", "CNN", "Market-1501", rank1=95.7, mean_ap=89.8, source="Table 2, CNN row 16"),
    Published("CLIP-ReID", "CNN", "DukeMTMC-reID", rank1=90.0, mean_ap=80.7, source="Table 2, CNN row 16"),
    Published("CLIP-ReID", "CNN", "Occluded-Duke", rank1=61.0, mean_ap=53.5, source="Table 2, CNN row 16"),
    Published("PI-VL", "CNN", "MSMT17", rank1=85.0, mean_ap=63.8, source="Table 2, CNN row 17"),
    Published("PI-VL", "CNN", "Market-1501", rank1=96.1, mean_ap=90.2, source="Table 2, CNN row 17"),
    Published("PI-VL", "CNN", "DukeMTMC-reID", rank1=91.2, mean_ap=81.3, source="Table 2, CNN row 17"),
    Published("PI-VL", "CNN", "Occluded-Duke", rank1=61.8, mean_ap=54.0, source="Table 2, CNN row 17"),
    Published("AAformer", "ViT", "MSMT17", rank1=83.6, mean_ap=63.2, source="Table 2, ViT row 1"),
    Published("AAformer", "ViT", "Market-1501", rank1=95.4, mean_ap=87.7, source="Table 2, ViT row 1"),
    Published("AAformer", "ViT", "DukeMTMC-reID", rank1=90.1, mean_ap=80.0, source="Table 2, ViT row 1"),
    Published("AAformer", "ViT", "Occluded-Duke", rank1=67.0, mean_ap=58.2, source="Table 2, ViT row 1"),
    Published("TransReID", "ViT", "MSMT17", rank1=85.3, mean_ap=67.4, source="Table 2, ViT row 2"),
    Published("TransReID", "ViT", "Market-1501", rank1=95.2, mean_ap=88.9, source="Table 2, ViT row 2"),
    Published("TransReID", "ViT", "DukeMTMC-reID", rank1=90.7, mean_ap=82.0, source="Table 2, ViT row 2"),
    Published("TransReID", "ViT", "Occluded-Duke", rank1=66.4, mean_ap=59.2, source="Table 2, ViT row 2"),
    Published("DCAL", "ViT", "MSMT17", rank1=83.1, mean_ap=64.0, source="Table 2, ViT row 3"),
    Published("DCAL", "ViT", "Market-1501", rank1=94.7, mean_ap=87.5, source="Table 2, ViT row 3"),
    Published("DCAL", "ViT", "DukeMTMC-reID", rank1=89.0, mean_ap=80.1, source="Table 2, ViT row 3"),
    Published("CLIP-ReID", "ViT", "MSMT17", rank1=89.7, mean_ap=75.8, source="Table 2, ViT row 4"),
    Published("CLIP-ReID", "ViT", "Market-1501", rank1=95.4, mean_ap=90.5, source="Table 2, ViT row 4"),
    Published("CLIP-ReID", "ViT", "DukeMTMC-reID", rank1=90.8, mean_ap=83.1, source="Table 2, ViT row 4"),
    Published("CLIP-ReID", "ViT", "Occluded-Duke", rank1=67.2, mean_ap=60.3, source="Table 2, ViT row 4"),
    Published("PI-VL", "ViT", "MSMT17", rank1=90.3, mean_ap=76.5, source="Table 2, ViT row 5"),
    Published("PI-VL", "ViT", "Market-1501", rank1=96.2, mean_ap=91.2, source="Table 2, ViT row 5"),
    Published("PI-VL", "ViT", "DukeMTMC-reID", rank1=92.1, mean_ap=84.0, source="Table 2, ViT row 5"),
    Published("PI-VL", "ViT", "Occluded-Duke", rank1=68.3, mean_ap=61.0, source="Table 2, ViT row 5"),
)

PI_VL_DUKE_TWICE = Contradiction(
    "PI-VL on DukeMTMC-reID, CNN",
    "Table 2: 81.3 mAP, 91.2 Rank-1",
    "Table 3, row 4: 81.6 mAP, 91.2 Rank-1; 81.3 is row 3, without hierarchical fusion",
    "one of the two is off by 0.3 mAP, which is all that Table 3 credits to fusion",
)
CLIP_REID_DUKE_TWICE = Contradiction(
    "CLIP-ReID on DukeMTMC-reID, CNN",
    "Table 2: 80.7 mAP, 90.0 Rank-1, quoted",
    "Tables 3 and 4, row 1: 80.8 mAP, 89.4 Rank-1",
    "PI-VL gains 0.6 mAP and 1.2 Rank-1 by Table 2, 0.8 and 1.8 by Table 3",
)
PI_VL_OCCLUDED = Contradiction(
    "PI-VL on Occluded-Duke, CNN",
    "it surpasses all prior work on all four benchmarks (Sec. 4.3)",
    "Table 2: Rank-1 of 62.8 for ISP and 64.5 for PAT, 61.8 for PI-VL",
    "the claim holds for mAP, not for Rank-1",
)
VIT_BASELINE = Contradiction(
    "CLIP-ReID with ViT",
    "Table 2: 75.8 mAP on MSMT17, and the others of that row",
    "CLIP-ReID's own figures for camera embedding and overlapping patches; without them 73.4",
    "whether PI-VL's ViT row has both is not said, so its gain may or may not be like for like",
)
MIOU_COLUMN = Contradiction(
    "Table 4, column 'mIoU on [16]'",
    "one data set, PASCAL VOC, for three parsers",
    "59.36 is SCHP's figure on LIP, 67.61 InvPT's on PASCAL-Context parts, 55.45 matches neither",
    "the column cannot rank the parsers",
)
LABEL_SETS = Contradiction(
    "Table 4, label set",
    "20 parts (Sec. 3.3)",
    "InvPT knows 7 parts; figures name Bag and Head, which LIP does not have",
    "the label set of that row, or a merged one, is not known",
)
CONSISTENT_GAINS = Contradiction(
    "Table 4, 'consistent performance gains'",
    "every parser gains over the baseline",
    "SOLIDER: 80.8 mAP, the baseline's own",
    "the gains are consistent in Rank-1 only",
)
TWO_VERSIONS = Contradiction(
    "Versions 1 and 2 of the paper",
    "Table 2 of version 1, CNN: Market-1501 90.2 mAP, MSMT17 63.8 mAP",
    "Table I of version 2: Market-1501 90.5, MSMT17 64.2; its own CLIP-ReID runs 89.2 and 62.5",
    "no statement of what changed; runs of one method differ by as much as most gains",
)
